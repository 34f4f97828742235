package traffic

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// Descriptors keeps some of the process's file descriptors free for others than streams: publishers, the log's own files.
// A system gives the lowest free number to each connection, so that number tells how many are in use.
type Descriptors struct {
	mark   int // numbers from here on are the reserve
	logger *slog.Logger
	scarce atomic.Bool
	warned atomic.Int64 // Unix seconds
}

// reserved is how many descriptors streams leave alone, an eighth where there are few.
const reserved = 64

// warnEvery bounds the lines about it.
const warnEvery = time.Minute

// NewDescriptors watches the descriptors of a process that may have so many.
func NewDescriptors(most int, logger *slog.Logger) *Descriptors {
	return &Descriptors{mark: most - min(reserved, most/8), logger: logger}
}

// Saw notes the number of a new connection's descriptor.
func (d *Descriptors) Saw(number int) {
	if number < d.mark {
		if d.scarce.Load() {
			d.scarce.Store(false)
		}
		return
	}
	d.scarce.Store(true)
	now := time.Now().Unix()
	if last := d.warned.Load(); now-last >= int64(warnEvery/time.Second) && d.warned.CompareAndSwap(last, now) {
		d.logger.Warn("file descriptors run out: new streams are answered busy; raise the limit of open files (ulimit -n, LimitNOFILE=), or set MAX_CONNECTIONS below it",
			"in_use", number, "kept_for_others_from", d.mark)
	}
}

// Exhausted notes that there is none left.
func (d *Descriptors) Exhausted() { d.Saw(d.mark) }

// Scarce reports whether only the reserve is left. There is none where nothing watches.
func (d *Descriptors) Scarce() bool { return d != nil && d.scarce.Load() }
