package journal

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sluice/cluster/bus"
	"sluice/store/eventlog"
)

// Options of a Journal.
type Options struct {
	Origin   uint64           // of this gateway; 0: a new one
	Birth    string           // of the cluster that the folder belongs to
	Majority func() bool      // whether this gateway hears at least half of the others; nil: always
	Fatal    func(error)      // called once, if the gateway cannot go on without its operator
	Stopped  func(error)      // called when the journal is not followed any more, and why
	Now      func() time.Time // time.Now
	Logger   *slog.Logger
}

// Metrics of a Journal.
type Metrics struct {
	Entries, Requests atomic.Uint64 // messages that were read, and the requests in them
	Refused           atomic.Uint64 // messages that were left out
	Retries           atomic.Uint64 // tries to write that got no answer
	Differs           atomic.Uint64 // claims of others that did not agree with this gateway's state
	End               atomic.Uint64 // the newest place that is known
}

// Journal is the journal of a cluster, on JetStream. It implements eventlog.Shared.
type Journal struct {
	bus     *bus.Bus
	o       Options
	log     *slog.Logger
	now     func() time.Time
	origin  uint64
	metrics Metrics
	life    context.Context
	end     func()
	working sync.WaitGroup
	once    sync.Once // of fatal

	next    uint64 // the place that follows, of follow
	parts   assembly
	heard   map[uint64]uint64 // the last number of each origin, of follow
	out     chan decoded
	entries []eventlog.Entry // of the last Next
	given   uint64           // the last place of them
	applied atomic.Uint64    // the place that the log has applied
	level   atomic.Int32     // of the messages that it writes

	mu       sync.Mutex
	stopped  error // why it does not go on
	progress progress
	claims   claims
}

// TooOldError is the fatal error of a gateway that was away for longer than the journal keeps messages.
type TooOldError struct{ Next, First uint64 }

func (e *TooOldError) Error() string {
	return fmt.Sprintf("the journal begins at place %d, and this gateway needs %d: it was away for too long; start it again, and it loads a snapshot", e.First, e.Next)
}

// Open begins to follow the journal after a place.
func Open(b *bus.Bus, after uint64, o Options) *Journal {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Majority == nil {
		o.Majority = func() bool { return true }
	}
	if o.Origin == 0 {
		o.Origin = NewOrigin()
	}
	j := &Journal{
		bus: b, o: o, log: o.Logger, now: o.Now, origin: o.Origin, next: after + 1, out: make(chan decoded, ahead),
		claims: claims{}, heard: map[uint64]uint64{},
	}
	j.given = after
	j.applied.Store(after)
	j.level.Store(Oldest)
	j.life, j.end = context.WithCancel(context.Background())
	j.working.Go(j.follow)
	j.working.Go(j.watch)
	return j
}

// NewOrigin returns what identifies a process from its start on.
func NewOrigin() uint64 {
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails
	return binary.BigEndian.Uint64(random[:]) | 1
}

// Origin identifies this gateway's messages.
func (j *Journal) Origin() uint64 { return j.origin }

// Metrics are those of the journal.
func (j *Journal) Metrics() *Metrics { return &j.metrics }

// Close ends Next. It does not close the bus.
func (j *Journal) Close() error {
	j.end()
	j.working.Wait()
	return nil
}

// stop notes why the journal does not go on. The gateway is not ready from now on.
func (j *Journal) stop(err error) {
	j.log.Error("this gateway stops to follow the journal", "cause", err)
	j.mu.Lock()
	j.stopped = err
	j.mu.Unlock()
	if j.o.Stopped != nil {
		j.o.Stopped(err)
	}
}

// fail is stop for what only the operator can mend.
func (j *Journal) fail(err error) {
	j.once.Do(func() {
		j.stop(err)
		if j.o.Fatal != nil {
			j.o.Fatal(err)
		}
	})
}

// Health is the reason that this gateway cannot follow the journal, or nil.
func (j *Journal) Health() error {
	progress, stopped := j.seen()
	if stopped != nil {
		return stopped
	}
	return progress.health(j.applied.Load(), j.o.Majority) // without the lock, since Majority has its own
}

func (j *Journal) seen() (p progress, stopped error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.progress, j.stopped
}

// errNoMajority is the reason not to be ready.
var errNoMajority = errors.New("the journal's leader does not answer, and neither do most of the other gateways: this gateway is cut off")
