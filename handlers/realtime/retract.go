package realtime

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/broker"
	"sluice/handlers/audit"
	"sluice/handlers/body"
	"sluice/handlers/httperr"
	"sluice/handlers/idempotency"
	"sluice/handlers/traffic"
	"sluice/store/eventlog"
	"sluice/store/share"
)

// retract takes an event out of the log. It counts as a publish, since it adds an event that says so.
func (h *Handler) retract(c echo.Context) error {
	return h.countRetract(func(running bool) (int, error) {
		id, query, err := h.identify(c)
		if err != nil {
			return 0, err
		}
		audit.Identify(c, id.Name, id.Kind)
		return h.retractEvent(c, id, query, running)
	})
}

// Retract serves a DELETE for an identity that another door has authenticated.
func (h *Handler) Retract(c echo.Context, id *auth.Identity, event string) error {
	return h.countRetract(func(running bool) (int, error) {
		return h.retractEvent(c, id, url.Values{"id": {event}}, running)
	})
}

// countRetract counts a retraction as a publish.
func (h *Handler) countRetract(f func(running bool) (int, error)) error {
	started := time.Now()
	running := h.o.Traffic.EnterPublish()
	if running {
		defer h.o.Traffic.LeavePublish()
	}
	count, err := f(running)
	code := "ok"
	if err != nil {
		code = httperr.From(err).Code
	}
	h.o.Traffic.Published(code, count, time.Since(started))
	return err
}

// retractEvent checks in the order of the table in docs/protocol.md. The first fault is the answer.
func (h *Handler) retractEvent(c echo.Context, id *auth.Identity, query url.Values, running bool) (int, error) {
	r := c.Request()
	which, bad := retracted(query)
	if bad != nil {
		return 0, bad
	}
	audit.Target(c, query.Get("id"))
	none, err := body.None(c, body.Limits{Time: h.o.ReadTimeout})
	switch {
	case err != nil:
		return 0, err
	case !none:
		return 0, httperr.New(http.StatusBadRequest, httperr.UnexpectedBody, "a DELETE takes no body; the parameter id names the event")
	}
	if id.Pub.Empty() {
		return 0, forbiddenToPublish()
	}
	// The method and the id stand for the body. No body of a POST is the same, since that begins with JSON.
	same := sha256.Sum256([]byte(r.Method + " " + query.Get("id")))
	once, answer, err := h.once(r, id, same)
	if err != nil {
		return 0, err
	}
	if answer != nil {
		return 0, replay(c, answer.First)
	}
	if ok, wait := id.Take(time.Now(), 1); !ok {
		return 0, httperr.OverRate("this credential publishes faster than its rate allows", wait)
	}
	if !running {
		return 0, traffic.ErrDraining()
	}
	first, err := h.o.Broker.Log().Retract(share.WithSender(r.Context(), id.Scope, traffic.SenderOf(c, doorName, id)), which, mayRetract(id), once)
	switch {
	case errors.Is(err, eventlog.ErrGone):
		if _, answer, _ := h.once(r, id, same); answer != nil { // the same request has just taken it out
			return 0, replay(c, answer.First)
		}
		return 0, noEvent()
	case err != nil:
		return 0, publishError(nil, err)
	case once != nil && once.Replayed:
		return 0, replay(c, first)
	}
	return 1, (&batch{single: true}).answer(c, first)
}

// replay answers with the id of an earlier retraction.
func replay(c echo.Context, first uint64) error {
	c.Response().Header().Set(idempotency.Replay, "true")
	return (&batch{single: true}).answer(c, first)
}

// retracted reads the id of the event to retract.
func retracted(query url.Values) (uint64, *httperr.Error) {
	values := query["id"]
	if len(values) != 1 {
		return 0, badParameter("id", "must be given once: the id of the event to retract")
	}
	id, ok := eventlog.ParseID(values[0])
	if !ok || !broker.IsID(values[0]) {
		return 0, badParameter("id", "must be the id of an event: 1 to 16 digits")
	}
	return id, nil
}

// mayRetract refuses an event on a channel that an identity may not publish on. Who may not see the event either gets the
// answer for one that does not exist.
func mayRetract(id *auth.Identity) func(*eventlog.Event) error {
	return func(e *eventlog.Event) error {
		switch ch := e.Channel(); {
		case id.Pub.Match(ch):
			return nil
		case id.Sub.Match(ch):
			return httperr.New(http.StatusForbidden, httperr.Forbidden, "the event is on the channel %q, to which this credential may not publish", ch)
		}
		return noEvent()
	}
}

func noEvent() *httperr.Error {
	return httperr.New(http.StatusNotFound, httperr.NotFound, "there is no event with this id, or none any more")
}
