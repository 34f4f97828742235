package httperr

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/store/eventlog"
)

// fullEvery is how often at most a log tells that a full disk refused something at a path, as it refuses whatever comes: the
// log may be on that disk.
const fullEvery = time.Second

// toldFull is when a log last did: an *atomic.Int64 of nanoseconds, by refusedAt.
var toldFull sync.Map

type refusedAt struct {
	log  *slog.Logger
	path string // of the route
}

// LogCause tells the operator's log why a request failed.
func LogCause(log *slog.Logger, c echo.Context, code, path string, cause error) {
	if eventlog.DiskFull(cause) && !mayTellFull(refusedAt{log, path}, time.Now()) {
		return
	}
	log.Error("request failed", "code", code, "path", path, "cause", cause, "request_id", c.Response().Header().Get(echo.HeaderXRequestID))
}

func mayTellFull(where refusedAt, now time.Time) bool {
	at, _ := toldFull.LoadOrStore(where, &atomic.Int64{})
	last := at.(*atomic.Int64)
	old := last.Load()
	return now.UnixNano()-old >= int64(fullEvery) && last.CompareAndSwap(old, now.UnixNano())
}
