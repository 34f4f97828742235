package cli

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

// Bounds on the work that the list of clients makes for a gateway.
const (
	clientsPage  = 1000
	clientsPages = 20               // read at most of an older gateway, and only while some client is behind
	clientsEvery = 2 * time.Second  // between two lists of one page
	clientsSlow  = 10 * time.Second // between two longer lists
	clientsWait  = 30 * time.Second
)

// clientList is the list of clients as it was last read.
type clientList struct {
	clients []topClient
	err     error
}

// nextPage finds the query of the next page in the header Link.
var nextPage = regexp.MustCompile(`<\?([^>]*)>; rel="next"`)

// sortedPage finds the order in that query.
var sortedPage = regexp.MustCompile(`(^|&)sort=lag(&|$)`)

// clients lists connections, the slowest first: the first page is enough. An older gateway lists the newest first, and its
// Link does not repeat the order. There it takes all pages to find the slowest, if a client is behind.
func (c *Top) clients(ctx context.Context, base string, pages int) ([]topClient, error) {
	ctx, cancel := context.WithTimeout(ctx, clientsWait)
	defer cancel()
	var all []topClient
	query := url.Values{"limit": {"1000"}, "sort": {"lag"}}
	if c.Node != "" {
		query.Set("node", c.Node)
	}
	for text := query.Encode(); pages > 0; pages-- {
		var page []topClient
		header, err := c.ask(ctx, base, http.MethodGet, "/admin/connections?"+text, nil, &page)
		if err != nil {
			return all, err
		}
		all = append(all, page...)
		next := nextPage.FindStringSubmatch(header.Get("Link"))
		if next == nil || sortedPage.MatchString(next[1]) {
			break
		}
		text = next[1]
		if c.Node != "" && !regexp.MustCompile(`(^|&)node=`).MatchString(text) {
			text += "&" + url.Values{"node": {c.Node}}.Encode()
		}
	}
	return all, nil
}

// listClients reads the list again and again, as often as its length permits. wants has the newest figures.
func (c *Top) listClients(ctx context.Context, base string, wants <-chan figures, lists chan<- clientList) {
	var last time.Time
	every := time.Duration(0)
	for {
		var f figures
		select {
		case <-ctx.Done():
			return
		case f = <-wants:
		}
		if time.Since(last) < every {
			continue
		}
		pages := 1
		if every = clientsEvery; f.Connections > clientsPage {
			every = clientsSlow
			if f.Lagging > 0 {
				pages = clientsPages
			}
		}
		var l clientList
		l.clients, l.err = c.clients(ctx, base, pages)
		last = time.Now()
		select {
		case <-ctx.Done():
			return
		case lists <- l:
		}
	}
}
