package traffic

import (
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"sluice/store/panics"
)

// Descriptors reserves some of the process's file descriptors for uses other than streams: publishers, the log's files. The
// system gives each connection the lowest free number, so a high number shows that many are in use. A low number does not
// show room, since a file may just have been closed. So only a probe ends the scarcity.
type Descriptors struct {
	reservedFrom int // numbers from here on belong to the reserve
	probe        func(n int) (highest int)
	logger       *slog.Logger
	scarce       atomic.Bool
	warned       atomic.Int64 // Unix seconds
}

// reserved is how many descriptors streams leave free: an eighth of a small limit.
const reserved = 64

const (
	warnEvery  = time.Minute // bounds the lines about it
	probeEvery = 250 * time.Millisecond
	probed     = 8 // descriptors that have to be free below the reserve
)

// NewDescriptors watches the descriptors of a process that may have at most that number. Probe opens n more for a moment, and returns
// the highest number among them.
func NewDescriptors(most int, probe func(n int) (highest int), logger *slog.Logger) *Descriptors {
	return &Descriptors{reservedFrom: most - min(reserved, most/8), probe: probe, logger: logger}
}

// Observe notes the number of a descriptor that was just made.
func (d *Descriptors) Observe(number int) {
	if d == nil || number < d.reservedFrom {
		return
	}
	if d.scarce.CompareAndSwap(false, true) {
		time.AfterFunc(probeEvery, d.checkAgain)
	}
	now := time.Now().Unix()
	if last := d.warned.Load(); now-last >= int64(warnEvery/time.Second) && d.warned.CompareAndSwap(last, now) {
		d.logger.Warn("file descriptors are running out: new streams get a busy answer; raise the limit of open files (ulimit -n, LimitNOFILE=), or set MAX_CONNECTIONS below it",
			"in_use", number, "kept_for_others_from", d.reservedFrom)
	}
}

// checkAgain probes, and ends the scarcity once there is room below the reserve.
func (d *Descriptors) checkAgain() {
	defer panics.Contain(d.logger, "looking for free file descriptors")
	if d.probe(probed) < d.reservedFrom {
		d.scarce.Store(false)
		return
	}
	time.AfterFunc(probeEvery, d.checkAgain)
}

// Exhausted notes that no descriptor is left.
func (d *Descriptors) Exhausted() { d.Observe(math.MaxInt) }

// Scarce reports whether only the reserve is left. A nil Descriptors is never scarce.
func (d *Descriptors) Scarce() bool { return d != nil && d.scarce.Load() }
