package auth

import (
	"net/http"
	"slices"
	"strings"

	"sluice/auth/peer"
)

// pages knows the pages that may change something by a cookie. A browser sends a cookie with the requests of every page,
// also of a hostile one, but no page can choose the Origin that its browser sends.
type pages struct {
	origins []string     // of CORS_ORIGINS, by name
	proxies peer.Proxies // by whose X-Forwarded-Proto and X-Forwarded-Host the gateway knows its own origin
}

func newPages(origins []string, proxies peer.Proxies) pages {
	named := slices.DeleteFunc(slices.Clone(origins), func(o string) bool { return o == "*" })
	return pages{origins: named, proxies: proxies}
}

// check refuses a change by a cookie, unless a page sent it that may make changes. A page that DNS rebinding gave the
// gateway's address passes: it has the cookies of its own name only.
func (p *pages) check(c *Carriers) *Error {
	if c.Request == nil || !c.Change && !changes(c.Request) {
		return nil
	}
	sent := c.Request.Header.Values("Origin")
	switch {
	case len(sent) == 0:
		return noOrigin
	case len(sent) > 1, sent[0] == "", !slices.Contains(p.origins, sent[0]) && sent[0] != p.proxies.Origin(c.Request):
		return foreignPage(strings.Join(sent, ", "))
	}
	return nil
}

// methodSearch is a GET whose query is its body.
const methodSearch = "SEARCH"

// changes reports whether a request may change something. A WebSocket does once it is open, and its request is a GET.
func changes(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, methodSearch:
		for _, v := range r.Header.Values("Upgrade") {
			if strings.Contains(strings.ToLower(v), "websocket") {
				return true
			}
		}
		return false
	}
	return true
}
