package writers

import (
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

const dropKey = "writers.DropHead"

// OnDropHead has f called when the head of a request is dropped, to give back what is charged for it.
func OnDropHead(c echo.Context, f func()) { c.Set(dropKey, f) }

// DropHead forgets what the head of a request held, up to 128 KiB of it, for who answers for long. What middleware
// looks at later stays: the method, the route and the address.
func DropHead(c echo.Context) {
	r := c.Request()
	values := c.ParamValues()
	for i := range values {
		values[i] = strings.Clone(values[i])
	}
	clear(c.QueryParams())
	clear(r.Header)
	clear(r.Trailer)
	r.URL, r.RequestURI, r.Host, r.Form, r.PostForm = &url.URL{}, "", "", nil, nil
	if f, ok := c.Get(dropKey).(func()); ok {
		f()
	}
}
