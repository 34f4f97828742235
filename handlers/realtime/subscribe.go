package realtime

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/broker"
	"sluice/broker/sse"
	"sluice/handlers/httperr"
)

func (h *Handler) subscribe(c echo.Context) error {
	r := c.Request()
	id, query, err := h.identify(r)
	if err != nil {
		return err
	}
	filter, err := h.filter(r, query, id)
	if err != nil {
		return err
	}
	if !h.gate.enter() {
		return h.busy(c, filter.LastEventID, draining())
	}
	defer h.gate.leave()
	if over := h.limits.take(id.Scope); over != nil {
		return h.busy(c, filter.LastEventID, over)
	}
	defer h.limits.give(id.Scope)
	if r.Method == http.MethodHead {
		setStreamHeaders(c)
		return c.NoContent(http.StatusOK)
	}
	sub, err := h.o.Broker.Subscribe(filter)
	switch {
	case errors.Is(err, broker.ErrDraining):
		return h.busy(c, filter.LastEventID, draining())
	case err != nil:
		return h.busy(c, filter.LastEventID, unavailable(err))
	}
	defer sub.Close()
	return h.stream(c, id, sub)
}

// stream hands the connection to the writer and tells at the end what became of it, since
// middleware would see only the hand-over.
func (h *Handler) stream(c echo.Context, id *auth.Identity, sub *broker.Subscriber) error {
	stop := id.OnEnd(sub.End)
	defer stop()
	started := time.Now()
	h.o.Metrics.Opened()
	setStreamHeaders(c)
	end := h.writer.Serve(c, &Stream{
		Subscriber:   sub,
		Expires:      id.Expires,
		PingInterval: h.o.PingInterval,
		WriteTimeout: h.o.WriteTimeout,
		Metrics:      h.o.Metrics,
		DrainRetry:   h.drainRetry,
	})
	h.o.Metrics.Closed(end.Reason)
	attrs := []any{"who", id.Name, "kind", id.Kind, "from", c.RealIP(),
		"for", time.Since(started).Round(time.Millisecond), "events", sub.Sent(), "bytes", end.Bytes,
		"why", end.Reason, "request_id", c.Response().Header().Get(echo.HeaderXRequestID)}
	if end.Err != nil {
		attrs = append(attrs, "cause", end.Err)
	}
	h.o.Logger.Info("stream ended", attrs...)
	return nil
}

func unavailable(err error) *httperr.Error {
	return httperr.New(http.StatusServiceUnavailable, httperr.Unavailable, "the log cannot be reached now; try again in a moment").After(5 * time.Second).Because(err)
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

// busy answers trouble that will pass: one frame and the end to an EventSource, which would give
// up for good on any other status; the status itself to others.
func (h *Handler) busy(c echo.Context, lastEventID string, e *httperr.Error) error {
	if !wantsEventStream(c.Request()) {
		return e
	}
	h.o.Metrics.Busy()
	if !broker.IsID(lastEventID) {
		lastEventID = ""
	}
	setStreamHeaders(c)
	// These end by themselves, so nothing is kept alive.
	c.Response().Header().Del(echo.HeaderConnection)
	c.Response().WriteHeader(http.StatusOK)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	_, err := c.Response().Write(sse.AppendBusy(nil, lastEventID, e.Status, e.Message, between(2*time.Second, 10*time.Second)))
	if err != nil {
		h.o.Logger.Debug("writing a busy frame", "cause", err)
	}
	return nil
}

// between draws uniformly, so that those who were sent away together do not come back together.
func between(least, most time.Duration) time.Duration {
	return least + rand.N(most-least+1)
}

// drainRetry spreads the return of everybody: 500 connections a second, and at least ten seconds.
func (h *Handler) drainRetry() time.Duration {
	spread := max(10*time.Second, time.Duration(h.limits.count())*time.Second/500)
	return between(time.Second, time.Second+spread)
}
