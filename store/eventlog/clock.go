package eventlog

import (
	"sync"
	"sync/atomic"
	"time"
)

// Clock is the log's own time, in microseconds. It advances only as time passes: a step of the system's clock does not
// move it. An id is a time of this clock, so the difference of two ids is an age. Marks note how far the system's clock
// was away from ids.
type Clock struct {
	source Source
	base   atomic.Int64  // the log's time at which elapsed was 0
	limit  atomic.Uint64 // the time goes no further: see follow; 0: no limit
	marks  atomic.Pointer[marks]

	mu    sync.Mutex // for changes of base
	awake int64      // Boot's since minus Now's elapsed, at the last look
}

// Source is where a clock reads the time. All values are in microseconds.
type Source struct {
	Now  func() (wall, elapsed int64)      // the system's time since 1970; the time since some fixed moment, which no step changes
	Boot func() (boot string, since int64) // the boot's id, or "" if the system has none; the time since then, sleep included
}

// read reads both as of one moment. If the process were suspended between the two calls, the difference would look like
// a sleep of the machine. So read repeats until they are close together.
func (s Source) read() (wall, elapsed int64, boot string, since int64) {
	const close, tries = 1000, 10
	for try := 1; ; try++ {
		wall, elapsed = s.Now()
		boot, since = s.Boot()
		if _, after := s.Now(); after-elapsed < close || try == tries {
			return wall, elapsed, boot, since
		}
	}
}

// System is the source that reads the system's clocks.
func System() Source {
	began := time.Now()
	return Source{
		Now: func() (wall, elapsed int64) {
			now := time.Now()
			return now.UnixMicro(), now.Sub(began).Microseconds()
		},
		Boot: boot,
	}
}

// Anchor ties the log's time to clocks that go on while the process does not run. A store has the newest one.
type Anchor struct {
	At    uint64 // the log's time
	Wall  int64
	Boot  string
	Since int64
	Slack int64 // clients may have ids up to At+Slack that a power cut has taken from the log
}

// NewClock makes a clock that goes on from an anchor, or from the wall clock if from is nil, and always after the id
// last.
func NewClock(source Source, last uint64, from *Anchor) *Clock {
	c := &Clock{source: source}
	wall, elapsed, boot, since := source.read()
	c.awake = since - elapsed
	at := max(from.resume(wall, boot, since), last+1)
	c.base.Store(int64(at) - elapsed)
	c.marks.Store(&marks{{}})
	return c
}

// resume returns the log's time by an anchor. Within one boot this is exact. After another boot, or on another machine,
// only the wall clock can say how much time has passed.
func (a *Anchor) resume(wall int64, boot string, since int64) uint64 {
	switch {
	case a == nil:
		return uint64(max(0, wall))
	case a.Boot != "" && a.Boot == boot && since >= a.Since:
		return a.At + uint64(since-a.Since)
	case wall >= a.Wall:
		return a.At + uint64(wall-a.Wall)
	}
	// The wall clock was set back, so it cannot say how much time has passed. Ids that were lost must not be given
	// again: a client may have one of them as its position.
	return a.At + uint64(a.Slack)
}

// Anchor returns an anchor of this moment.
func (c *Clock) Anchor() Anchor {
	c.Wake()
	wall, elapsed, boot, since := c.source.read()
	return Anchor{At: c.at(elapsed), Wall: wall, Boot: boot, Since: since}
}

// Strays reports whether the wall clock was stepped after the anchor was made.
func (c *Clock) Strays(a *Anchor) bool {
	wall, elapsed := c.source.Now()
	return apart(wall-int64(c.at(elapsed)), a.Wall-int64(a.At))
}

func (c *Clock) at(elapsed int64) uint64 {
	at := uint64(max(0, c.base.Load()+elapsed))
	if limit := c.limit.Load(); limit > 0 {
		return min(at, limit)
	}
	return at
}

// aheadOfJournal is how far a clock may go on by itself after the newest entry of a shared journal: longer than a journal is
// idle, or without a leader.
const aheadOfJournal = 30 * time.Second

// follow keeps the clock near the time of a shared journal. All processes must agree on ages: one whose clock is ahead would
// remove events too early. So the first call sets the clock, in both directions. Later ones only move it forward, since an
// entry may come late: the newest entry that came at once counts.
func (c *Clock) follow(at uint64) {
	if at == 0 {
		return // nothing is applied yet
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, elapsed := c.source.Now()
	if first := c.limit.Load() == 0; first || c.at(elapsed) < at {
		c.base.Store(int64(at) - elapsed)
	}
	c.limit.Store(at + uint64(aheadOfJournal.Microseconds()))
}

// Now is the log's present time.
func (c *Clock) Now() uint64 {
	_, elapsed := c.source.Now()
	return c.at(elapsed)
}

// Before returns the id that is age old now.
func (c *Clock) Before(age time.Duration) uint64 {
	return uint64(max(0, int64(c.Now())-age.Microseconds()))
}

// Age is the age of the event with an id.
func (c *Clock) Age(id uint64) time.Duration {
	return max(0, time.Duration(int64(c.Now())-int64(id))*time.Microsecond)
}

// Until is the time until the clock reaches an id. It is negative if the id is in the past.
func (c *Clock) Until(id uint64) time.Duration {
	return time.Duration(min(int64(id)-int64(c.Now()), int64(1<<62)/1000)) * time.Microsecond
}

// asleep is the least difference, in microseconds, that counts as a sleep of the machine.
const asleep = 100_000

// Wake adds the time that the machine has slept, which the source does not count. It reports whether the machine has
// slept.
func (c *Clock) Wake() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, elapsed, boot, since := c.source.read()
	slept := since - elapsed - c.awake
	if boot == "" || slept < asleep {
		return false
	}
	c.awake += slept
	c.base.Add(slept)
	return true
}

// look returns the log's time and the wall clock's. If they are further apart than at the last mark, it looks first whether
// the machine has slept.
func (c *Clock) look() (at uint64, wall int64) {
	for {
		wall, elapsed := c.source.Now()
		at = c.at(elapsed)
		if !c.marks.Load().strays(at, wall) || !c.Wake() {
			return at, wall
		}
	}
}
