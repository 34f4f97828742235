package realtime

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
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

// unknown answers a client whose credential was refused. If the reason is temporary, an EventSource must come back.
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

// History answers a GET as /realtime does, with what an identity may read, from the earliest event unless the request says
// otherwise.
func (h *Handler) History(c echo.Context, id *auth.Identity) error {
	query, err := readQuery(c.Request())
	if err != nil {
		return err
	}
	return h.serve(c, id, query, true)
}

// serve answers a GET of a known identity. past means that the past comes first even if no parameter asks for it.
func (h *Handler) serve(c echo.Context, id *auth.Identity, query url.Values, past bool) error {
	r := c.Request()
	lease := h.streams.Lease(c, id)
	defer lease.Close()
	filter, err := h.filter(c, query, lease)
	if err != nil {
		return h.busy(c, filter.LastEventID, err)
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
	if err := enter(lease, &filter); err != nil {
		return h.busy(c, filter.LastEventID, err)
	}
	if selection.any {
		lease.SetKind(traffic.KindHistory)
		var over bool
		lease.Range, over, err = h.rangeOf(share.With(r.Context(), lease.Owner()), &selection, &filter)
		if err != nil {
			return h.unreadable(c, filter.LastEventID, err)
		}
		// Only a client that comes back gets the answer that ends an EventSource for good. To others it would look like a
		// refusal without a reason.
		if over && filter.LastEventID != "" {
			return c.NoContent(http.StatusNoContent)
		}
	}
	if r.Method == http.MethodHead {
		setHeaders(c, lease.Range.Ends(), lines)
		return c.NoContent(http.StatusOK)
	}
	if lines {
		lease.Notices = writers.Lines
	}
	place, err := lease.SubscribeAt(h.writers, c, filter)
	if err != nil {
		if errors.Is(err, broker.ErrDraining) {
			return h.busy(c, filter.LastEventID, err)
		}
		return h.busy(c, filter.LastEventID, unavailable(err))
	}
	setHeaders(c, lease.Range.Ends(), lines)
	lease.Serve(c, place)
	return nil
}

// enter admits a stream and charges its filter if that is large.
func enter(l *traffic.Lease, f *broker.Filter) error {
	if err := l.Enter(); err != nil {
		return err
	}
	return l.HoldFilter(f, traffic.FreeFilter)
}

// unreadable answers a range that could not be found: by a fault of the request, or of the log.
func (h *Handler) unreadable(c echo.Context, lastEventID string, err error) error {
	if e := httperr.From(err); e.Status < http.StatusInternalServerError {
		return e
	}
	return h.busy(c, lastEventID, unavailable(err))
}

func unavailable(err error) *httperr.Error {
	return httperr.New(http.StatusServiceUnavailable, httperr.Unavailable, "the event log cannot be read now; try again in a moment").After(5 * time.Second).Because(err)
}

// setHeaders sets those of a stream, which may end by itself and be of lines.
func setHeaders(c echo.Context, ends, lines bool) {
	contentType := writers.EventStream
	if lines {
		contentType = writers.NDJSON
	}
	writers.SetHeaders(c, contentType, !ends)
}

func (h *Handler) busy(c echo.Context, lastEventID string, err error) error {
	return h.o.Traffic.RefuseStream(c, h.o.Logger, lastEventID, err)
}

// cutRetry is short: the client comes back with what its credential grants now.
func cutRetry() time.Duration { return between(500*time.Millisecond, 1500*time.Millisecond) }

// between draws uniformly, so that clients that were sent away together do not come back together.
func between(least, most time.Duration) time.Duration {
	return least + rand.N(most-least+1)
}

// drainRetry spreads the return of all clients: 500 connections a second, over at least ten seconds.
func drainRetry(connections int) time.Duration {
	spread := max(10*time.Second, time.Duration(connections)*time.Second/500)
	return between(time.Second, time.Second+spread)
}
