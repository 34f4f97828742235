package realtime

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/peer"
	"sluice/broker"
	"sluice/broker/sse"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/store/share"
)

func (h *Handler) subscribe(c echo.Context) error {
	id, query, err := h.identify(c)
	if err != nil {
		return h.unknown(c, err)
	}
	return h.serve(c, id, query, false)
}

// unknown answers whose credential was not taken. Where that will pass, an EventSource must come back.
func (h *Handler) unknown(c echo.Context, err error) error {
	if !httperr.From(err).Passes() {
		return err
	}
	last, bad := lastEventID(c.Request(), c.QueryParams())
	if bad != nil {
		return bad
	}
	return h.busy(c, last, err)
}

// History answers a GET of what an identity may see as /realtime does, from the earliest event unless the request says
// otherwise.
func (h *Handler) History(c echo.Context, id *auth.Identity) error {
	query, err := readQuery(c.Request())
	if err != nil {
		return err
	}
	return h.serve(c, id, query, true)
}

// serve answers a GET of who is known. Past says that the past comes first even if no parameter asks for it.
func (h *Handler) serve(c echo.Context, id *auth.Identity, query url.Values, past bool) error {
	r := c.Request()
	filter, err := h.filter(c, query, id)
	if err != nil {
		return err
	}
	selection, err := selectors(query)
	if err != nil {
		return err
	}
	selection.any = selection.any || past
	filter.Stream, filter.Names = selection.stream, selection.types
	lines := wantsLines(r)
	if lines {
		filter.Frames = sse.FramesLines
	}
	leave, err := h.enter(id.Scope, &filter)
	if err != nil {
		return h.busy(c, filter.LastEventID, err)
	}
	var span *writers.Range
	if selection.any {
		var over bool
		if span, over, err = h.rangeOf(share.With(r.Context(), peer.Owner(id.Scope, c.RealIP())), &selection, &filter); err != nil || over && filter.LastEventID != "" {
			h.giveUp(id.Scope, leave)
			if err != nil {
				return h.unreadable(c, filter.LastEventID, err)
			}
			// Only who comes back is sent away for good: for others it were a refusal, which has no reason.
			return c.NoContent(http.StatusNoContent)
		}
	}
	if r.Method == http.MethodHead {
		h.giveUp(id.Scope, leave)
		setHeaders(c, span.Ends(), lines)
		return c.NoContent(http.StatusOK)
	}
	open := &writers.Stream{
		Range: span, Identity: id, From: c.RealIP(), Leave: leave, RequestID: c.Response().Header().Get(echo.HeaderXRequestID), Started: time.Now(),
	}
	if lines {
		open.Words = writers.Lines
	}
	place := h.writers.Place(r, span.Ends())
	filter.Chunked, filter.Holder = place.Chunked, open
	if open.Subscriber, err = h.o.Broker.Subscribe(filter, place.Group); err != nil {
		h.giveUp(id.Scope, leave)
		if errors.Is(err, broker.ErrDraining) {
			return h.busy(c, filter.LastEventID, err)
		}
		return h.busy(c, filter.LastEventID, unavailable(err))
	}
	h.o.Traffic.Opened()
	setHeaders(c, span.Ends(), lines)
	place.Serve(c, open)
	return nil
}

// enter lets a stream in and charges its filter, if that takes much. Only then leave is not nil; it gives both back.
func (h *Handler) enter(scope string, f *broker.Filter) (leave func(), err error) {
	if over := h.o.Traffic.EnterStream(scope); over != nil {
		return nil, over
	}
	release, err := h.o.Traffic.HoldFilter(scope, f, traffic.FreeFilter)
	if err != nil {
		h.o.Traffic.LeaveStream(scope)
		return nil, err
	}
	if release == nil {
		return nil, nil
	}
	return func() {
		release()
		h.o.Traffic.LeaveStream(scope)
	}, nil
}

// giveUp counts out a stream that was let in and has not begun.
func (h *Handler) giveUp(scope string, leave func()) {
	if leave != nil {
		leave()
		return
	}
	h.o.Traffic.LeaveStream(scope)
}

// unreadable answers what kept a range from being found: a fault of the request, or of the log.
func (h *Handler) unreadable(c echo.Context, lastEventID string, err error) error {
	if e := httperr.From(err); e.Status < http.StatusInternalServerError {
		return e
	}
	return h.busy(c, lastEventID, unavailable(err))
}

func unavailable(err error) *httperr.Error {
	return httperr.New(http.StatusServiceUnavailable, httperr.Unavailable, "the log cannot be reached now; try again in a moment").After(5 * time.Second).Because(err)
}

// setHeaders sets those of a stream, which may end by itself and be of lines.
func setHeaders(c echo.Context, ends, lines bool) {
	setStreamHeaders(c)
	if ends { // nothing is kept alive
		c.Response().Header().Del(echo.HeaderConnection)
	}
	if lines {
		c.Response().Header().Set(echo.HeaderContentType, contentTypeNDJSON)
	}
}

func setStreamHeaders(c echo.Context) {
	head := c.Response().Header()
	head.Set(echo.HeaderContentType, "text/event-stream")
	head.Set(echo.HeaderCacheControl, "no-cache, no-store, no-transform")
	head.Set("X-Accel-Buffering", "no")
	// RFC 9113 8.2.2 knows no Connection header, and HTTP/1.0 ends the stream by closing.
	if r := c.Request(); r.ProtoMajor == 1 && r.ProtoMinor == 1 && !r.Close {
		head.Set(echo.HeaderConnection, "keep-alive")
	}
}

func (h *Handler) busy(c echo.Context, lastEventID string, err error) error {
	return h.o.Traffic.RefuseStream(c, h.o.Logger, lastEventID, err)
}

// cutRetry is short: the client comes back with what its credential grants now.
func cutRetry() time.Duration { return between(500*time.Millisecond, 1500*time.Millisecond) }

// between draws uniformly, so that those who were sent away together do not come back together.
func between(least, most time.Duration) time.Duration {
	return least + rand.N(most-least+1)
}

// drainRetry spreads the return of everybody: 500 connections a second, and at least ten seconds.
func (h *Handler) drainRetry() time.Duration {
	spread := max(10*time.Second, time.Duration(h.o.Traffic.Streams())*time.Second/500)
	return between(time.Second, time.Second+spread)
}
