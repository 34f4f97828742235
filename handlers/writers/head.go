package writers

import (
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

const dropKey = "writers.DropHead"

// OnDropHead registers f, which gives back the charge for a request's head once the head is dropped.
func OnDropHead(c echo.Context, f func()) { c.Set(dropKey, f) }

// DropHead frees the head of a request, up to 128 KiB, for answers that last long. Middleware still needs the method, the
// route and the address, so those stay.
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
