package admin

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/handlers/httperr"
)

// A list comes in pages. The next page begins after the sort key of the last entry. A number would skip or repeat entries
// when the list changes.

// Headers of a list: the number of all entries, and of those that match the search.
const (
	totalCount = "X-Total-Count"
	matchCount = "X-Match-Count"
)

// maxListed bounds a page, and maxSearch the text of a search.
const (
	maxListed = 1000
	maxSearch = 256
)

// query is the part of a list that a request asks for.
type query struct {
	search string   // in lower case; "": all
	after  string   // the page begins after this sort key; "": at the beginning
	limit  int      // 0: none
	node   string   // of connections: only those of this gateway; "": all
	group  grouping // of connections: what they are grouped by; "": nothing
	inside string   // of connections: only those of the group with this id; "": all
	sort   ordering // of connections: what comes first
}

// pageOf reads a query; usual is the default limit.
func pageOf(c echo.Context, usual int) (q query, err error) {
	refuse := func(name, why string) error {
		return httperr.New(http.StatusBadRequest, httperr.BadParameter, "parameter %s: %s", name, why)
	}
	q.limit = usual
	if text := c.QueryParam("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxListed {
			return q, refuse("limit", fmt.Sprintf("must be a number from 1 to %d", maxListed))
		}
		q.limit = n
	}
	if q.search = strings.ToLower(strings.TrimSpace(c.QueryParam("search"))); len(q.search) > maxSearch {
		return q, refuse("search", fmt.Sprintf("is longer than %d bytes", maxSearch))
	}
	after, err := base64.RawURLEncoding.DecodeString(c.QueryParam("after"))
	if err != nil {
		return q, refuse("after", "must be copied from the Link header of an answer")
	}
	q.after = string(after)
	return q, nil
}

// in reports whether one of the texts contains the search.
func (q *query) in(texts ...string) bool {
	if q.search == "" {
		return true
	}
	for _, t := range texts {
		if strings.Contains(strings.ToLower(t), q.search) {
			return true
		}
	}
	return false
}

// page returns the page out of all entries that match, and whether more follow. The list is sorted by sortKey.
func page[T any](q query, list []T, sortKey func(*T) string) (_ []T, more bool) {
	if q.after != "" {
		list = list[sort.Search(len(list), func(i int) bool { return sortKey(&list[i]) > q.after }):]
	}
	if q.limit == 0 || len(list) <= q.limit {
		return list, false
	}
	return list[:q.limit], true
}

// cut returns the page, and sets the headers of a list.
func cut[T any](c echo.Context, q query, total int, list []T, sortKey func(*T) string) []T {
	matching := len(list)
	list, more := page(q, list, sortKey)
	next := ""
	if more {
		next = sortKey(&list[len(list)-1])
	}
	setPage(c, q, total, matching, next)
	return list
}

// setPage sets the headers of a list. next is the sort key of the page's last entry, or "" if no more follow.
func setPage(c echo.Context, q query, total, matching int, next string) {
	h := c.Response().Header()
	h.Set(totalCount, strconv.Itoa(total))
	h.Set(matchCount, strconv.Itoa(matching))
	if next == "" {
		return
	}
	values := url.Values{"limit": {strconv.Itoa(q.limit)}, "after": {base64.RawURLEncoding.EncodeToString([]byte(next))}}
	if q.search != "" {
		values.Set("search", q.search)
	}
	if q.node != "" {
		values.Set(paramNode, q.node)
	}
	if q.group != "" {
		values.Set("group", string(q.group))
	}
	if q.inside != "" {
		values.Set("in", q.inside)
	}
	if q.sort != newestFirst {
		values.Set("sort", string(q.sort))
	}
	// Relative, since a proxy may have put the gateway below a path (RFC 8288).
	h.Set("Link", `<?`+values.Encode()+`>; rel="next"`)
}
