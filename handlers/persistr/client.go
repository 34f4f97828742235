package persistr

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/store/streams"
)

// db.streams({}).all() of the published client, @persistr/js 4.5, throws on a row whose namespace is "": it takes the empty
// text for none. So it gets an empty list in its place, which is true in JavaScript, and nothing where it is put into a
// path or a query. What comes back of it in an event is read as "".

// clientRow is a row as the published client reads it.
type clientRow struct {
	*streams.Stream
	Namespace []string `json:"ns"`
}

// emptyList is the name of the unnamed namespace for the published client.
var emptyList = []string{}

// rowFor returns what makes a row of a stream for the sender of a call.
func rowFor(c *call) func(*streams.Stream) any {
	published := c.namespaceOf() == nil && publishedClient(c.Request().Header)
	return func(s *streams.Stream) any {
		if published && s.Namespace == "" {
			return clientRow{s, emptyList}
		}
		return s
	}
}

// publishedClient reports whether a request without a body may be of the published client, in Node.js or in a browser: it
// names a content type all the same. All others read rows as they are.
func publishedClient(head http.Header) bool {
	agent := head.Get("User-Agent")
	return head.Get(echo.HeaderContentType) == echo.MIMEApplicationJSON &&
		(strings.HasPrefix(agent, "node-fetch/") || strings.HasPrefix(agent, "Mozilla/"))
}
