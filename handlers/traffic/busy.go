package traffic

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/broker"
	"sluice/broker/sse"
	"sluice/handlers/httperr"
	"sluice/handlers/writers"
)

// A client that was sent away comes back after a random time between these, so that clients that were sent away together do
// not come back together.
const (
	minBusy = 2 * time.Second
	maxBusy = 10 * time.Second
)

// RefuseStream answers a GET of a stream that cannot be opened. An EventSource gives up for good on any status but 200. So
// for a temporary fault it gets status 200 and one frame, with the id that it came with. Other clients and other faults get
// the error itself.
func (t *Traffic) RefuseStream(c echo.Context, log *slog.Logger, lastEventID string, err error) error {
	e := httperr.From(err)
	if !e.Passes() || !Accepts(c.Request(), writers.EventStream) {
		return e
	}
	t.Busy()
	httperr.LogRequest(log, c, e)
	httperr.Note(c, e.Status, e)
	if !broker.IsID(lastEventID) {
		lastEventID = ""
	}
	writers.SetHeaders(c, writers.EventStream, false)
	c.Response().WriteHeader(http.StatusOK)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	if _, err := c.Response().Write(sse.AppendBusy(nil, lastEventID, e.Status, e.Message, BusyRetry())); err != nil {
		log.Debug("writing a busy frame", "cause", err)
	}
	return nil
}

// BusyRetry draws the time after which a client that was sent away comes back.
func BusyRetry() time.Duration { return minBusy + rand.N(maxBusy-minBusy+1) }

// Accepts reports whether Accept names a type.
func Accepts(r *http.Request, name string) bool {
	for _, line := range r.Header.Values(echo.HeaderAccept) {
		for item := range strings.SplitSeq(line, ",") {
			kind, _, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(kind), name) {
				return true
			}
		}
	}
	return false
}
