package traffic

import (
	"log/slog"
	"math"
	"sync/atomic"
	"time"
)

// Descriptors keeps some of the process's file descriptors free for others than streams: publishers, the log's own files.
// A system gives the lowest free number to each connection, so that numbers tell how many are in use. One that is low is
// no sign of room, though: a file that was just closed leaves it. So what ends the scarcity is a probe.
type Descriptors struct {
	mark   int // numbers from here on are the reserve
	probe  func(n int) (highest int)
	logger *slog.Logger
	scarce atomic.Bool
	warned atomic.Int64 // Unix seconds
}

// reserved is how many descriptors streams leave alone, an eighth where there are few.
const reserved = 64

const (
	warnEvery  = time.Minute // bounds the lines about it
	probeEvery = 250 * time.Millisecond
	probed     = 8 // descriptors that have to be free below the reserve
)

// NewDescriptors watches the descriptors of a process that may have at most that number. Probe opens n more for a moment, and returns
// the highest number among them.
func NewDescriptors(most int, probe func(n int) (highest int), logger *slog.Logger) *Descriptors {
	return &Descriptors{mark: most - min(reserved, most/8), probe: probe, logger: logger}
}

// Saw notes the number of a descriptor that was just made.
func (d *Descriptors) Saw(number int) {
	if d == nil || number < d.mark {
		return
	}
	if d.scarce.CompareAndSwap(false, true) {
		time.AfterFunc(probeEvery, d.look)
	}
	now := time.Now().Unix()
	if last := d.warned.Load(); now-last >= int64(warnEvery/time.Second) && d.warned.CompareAndSwap(last, now) {
		d.logger.Warn("file descriptors are running out: new streams get a busy answer; raise the limit of open files (ulimit -n, LimitNOFILE=), or set MAX_CONNECTIONS below it",
			"in_use", number, "kept_for_others_from", d.mark)
	}
}

// look ends the scarcity once there is room below the reserve.
func (d *Descriptors) look() {
	if d.probe(probed) < d.mark {
		d.scarce.Store(false)
		return
	}
	time.AfterFunc(probeEvery, d.look)
}

// Exhausted notes that there is none left.
func (d *Descriptors) Exhausted() { d.Saw(math.MaxInt) }

// Scarce reports whether only the reserve is left. There is none where nothing watches.
func (d *Descriptors) Scarce() bool { return d != nil && d.scarce.Load() }
