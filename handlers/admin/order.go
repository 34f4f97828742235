package admin

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/labstack/echo/v4"
)

// ordering is which connections come first in a list.
type ordering string

const (
	newestFirst  ordering = ""
	slowestFirst ordering = "lag" // then the newest
)

// sorted reads which connections come first.
func (q *query) sorted(c echo.Context) error {
	switch q.sort = ordering(c.QueryParam("sort")); {
	case q.sort != newestFirst && q.sort != slowestFirst:
		return badParameter("sort", "must be lag; leave it out for the newest first")
	case q.sort != newestFirst && q.group != "" && q.inside == "":
		return badParameter("sort", "is for connections, not for groups; leave it out, or name a group with in")
	}
	return nil
}

// waiting sorts by the oldest event that a connection has yet to accept. Unlike the lag, which grows, this id stays the same
// between two pages, and is the same at all gateways. So a connection that is stuck keeps its place.
func waiting(oldest uint64) uint64 {
	if oldest == 0 {
		return math.MaxUint64
	}
	return oldest
}

// key is the sort key of a connection.
func (o ordering) key(oldest uint64, started time.Time, id string) string {
	newest := fmt.Sprintf("%020d%s", uint64(math.MaxInt64-started.UnixNano()), id)
	if o == slowestFirst {
		return fmt.Sprintf("%020d", waiting(oldest)) + newest
	}
	return newest
}

func (o ordering) ofOpen(s *openConnection) string {
	who := s.Client()
	return o.key(s.oldest, who.Started, who.RequestID)
}

func (c *connection) order(o ordering) string { return o.key(c.Oldest, c.Since, c.ID) }

// inCluster lists the connections of all gateways, or of the one that the request names. A gateway of an older version cannot
// sort by lag. As long as one is there, the newest come first, which the answer says in Sort.
func (h *Handler) inCluster(ctx context.Context, q query) (all connections, missing []string, err error) {
	var pages []connections
	for {
		if q.node == "" {
			pages, missing = ask[connections](ctx, h.o.Cluster.Peers, askConnections, q.question())
		} else {
			one, err := askOne[connections](ctx, h.o.Cluster.Peers, q.node, askConnections, q.question())
			if err != nil {
				return connections{}, nil, err
			}
			pages = []connections{*one}
		}
		if q.sort == newestFirst || !older(pages, q.sort) {
			break
		}
		q.sort = newestFirst
	}
	return merge(pages, q), missing, nil // each gateway has sent as many as the page may have
}

func older(pages []connections, o ordering) bool {
	for i := range pages {
		if pages[i].Sort != o {
			return true
		}
	}
	return false
}
