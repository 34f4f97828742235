package httperr

import (
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/store/eventlog"
)

// fullEvery is how often at most a line of the log says that a full disk refused something at a path, as it refuses
// whatever comes: the log may be on that disk.
const fullEvery = time.Second

// lastFull is when a log last did: an *atomic.Int64 of nanoseconds, by fullAt.
var lastFull sync.Map

type fullAt struct {
	log  *slog.Logger
	path string // of the route
}

// LogRequest logs why a request failed, if the gateway is the reason.
func LogRequest(log *slog.Logger, c echo.Context, e *Error) {
	write(log, "request failed", c.Path(), c.Response().Header().Get(echo.HeaderXRequestID), e)
}

// LogMessage is LogRequest for a message of a socket.
func LogMessage(log *slog.Logger, path, requestID string, e *Error) {
	write(log, "message failed", path, requestID, e)
}

func write(log *slog.Logger, text, path, requestID string, e *Error) {
	if e.Cause == nil || e.Status < http.StatusInternalServerError {
		return
	}
	if eventlog.DiskFull(e.Cause) && !mayLogFull(fullAt{log, path}, time.Now()) {
		return
	}
	log.Error(text, "code", e.Code, "path", path, "cause", e.Cause, "request_id", requestID)
}

func mayLogFull(where fullAt, now time.Time) bool {
	at, _ := lastFull.LoadOrStore(where, &atomic.Int64{})
	last := at.(*atomic.Int64)
	old := last.Load()
	return now.UnixNano()-old >= int64(fullEvery) && last.CompareAndSwap(old, now.UnixNano())
}
