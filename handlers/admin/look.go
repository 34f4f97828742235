package admin

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/channel"
	"sluice/handlers/audit"
	"sluice/handlers/httperr"
	"sluice/store/share"
	"sluice/store/streams"
)

// An administrator looks at what the gateway stores: pages of bounded size, each within a bounded time, and few at once, so
// that no look slows down publishers.
const (
	looksAtOnce   = 2
	looksWaiting  = 16
	lookTime      = 5 * time.Second
	maxLookPage   = 500
	usualLookPage = 100
	lookBytes     = 1 << 20 // of the contents on a page; the entry that exceeds it is the last
)

// asAdmin is the identity of the administrator at the doors whose handlers serve looks and changes.
func asAdmin(sub channel.Set) *auth.Identity {
	all := channel.Everything()
	return &auth.Identity{Name: audit.KindAdmin, Kind: audit.KindAdmin, Scope: audit.KindAdmin, Sub: sub, Pub: all, Rest: all}
}

// look is the part of a list that a request asks for.
type look struct {
	prefix string
	after  string // where the page begins; "": at the beginning
	limit  int
}

// lookOf reads a look.
func lookOf(c echo.Context) (l look, err error) {
	if l.limit, err = numberOf(c, "limit", usualLookPage, maxLookPage); err != nil {
		return l, err
	}
	if l.prefix = c.QueryParam("prefix"); len(l.prefix) > maxSearch {
		return l, badParameter("prefix", "is longer than %d bytes", maxSearch)
	}
	after, err := base64.RawURLEncoding.DecodeString(c.QueryParam("after"))
	if err != nil {
		return l, badParameter("after", "must be copied from the Link header of an answer")
	}
	l.after = string(after)
	return l, nil
}

// numberOf reads a parameter that is a number from 1 to most.
func numberOf(c echo.Context, name string, usual, most int) (int, error) {
	text := c.QueryParam(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badParameter(name, "must be a number from 1 to %d", most)
	}
	return n, nil
}

func badParameter(name, format string, args ...any) error {
	return httperr.New(http.StatusBadRequest, httperr.BadParameter, "parameter %s: %s", name, fmt.Sprintf(format, args...))
}

// link names the next page, unless next is "".
func (l look) link(c echo.Context, next string, more ...string) {
	if next == "" {
		return
	}
	values := url.Values{"limit": {strconv.Itoa(l.limit)}, "after": {base64.RawURLEncoding.EncodeToString([]byte(next))}}
	if l.prefix != "" {
		values.Set("prefix", l.prefix)
	}
	for _, name := range more {
		if c.QueryParams().Has(name) {
			values.Set(name, c.QueryParam(name))
		}
	}
	c.Response().Header().Set("Link", `<?`+values.Encode()+`>; rel="next"`)
}

// looking runs f when it is its turn, for a bounded time.
func (h *Handler) looking(f func(ctx context.Context, c echo.Context, l look) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		l, err := lookOf(c)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(share.With(c.Request().Context(), audit.KindAdmin), lookTime)
		defer cancel()
		done, err := h.looks.Acquire(ctx)
		if err == nil {
			defer done()
			err = f(ctx, c, l)
		}
		return lookFault(err)
	}
}

// lookFault is the answer to an error of a look.
func lookFault(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return httperr.New(http.StatusServiceUnavailable, httperr.Busy, "this takes longer than %s now; try again, or ask for fewer", lookTime).After(time.Second)
	case errors.Is(err, streams.ErrNoDatabase), errors.Is(err, streams.ErrNoNamespace):
		return httperr.New(http.StatusNotFound, httperr.NotFound, "%v", err)
	}
	return err
}

// timeOf is the time of an id, as answers have it.
func (h *Handler) timeOf(id uint64) string {
	if id == 0 {
		return ""
	}
	return h.o.Broker.Log().Clock().Time(id).Format(streams.TimeFormat)
}
