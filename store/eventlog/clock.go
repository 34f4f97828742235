package eventlog

import (
	"sync"
	"sync/atomic"
	"time"
)

// Clock is the log's own time, in microseconds. It advances only as time passes: no step of the system's clock touches
// it. Ids are places in it, so an age is the difference of two of its times. What the system's clock said at an id is
// kept beside it, as marks.
type Clock struct {
	source Source
	base   atomic.Int64 // the log's time when the source had counted nothing
	marks  atomic.Pointer[marks]

	mu    sync.Mutex // of those who move base
	awake int64      // what the boot had counted more than the source, the last time that anybody looked
}

// Source is where a clock reads the time. All is in microseconds.
type Source struct {
	Now  func() (wall, elapsed int64)      // since 1970, as the system has it; and since some moment, which no step touches
	Boot func() (boot string, since int64) // the boot, "" where the system has no name for it; and what passed since, sleep too
}

// read reads both as of one moment: a process that was not running in between would take that for a sleep of the machine.
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

// System is the source that the process runs by.
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

// Anchor ties the log's time to what goes on while nothing runs. A store keeps the newest.
type Anchor struct {
	At    uint64 // the log's time
	Wall  int64
	Boot  string
	Since int64
	Slack int64 // ids this far ahead of At may have been given to clients and lost with the power
}

// NewClock goes on from an anchor, nil where there is none, behind the last id.
func NewClock(source Source, last uint64, from *Anchor) *Clock {
	c := &Clock{source: source}
	wall, elapsed, boot, since := source.read()
	c.awake = since - elapsed
	at := max(from.resume(wall, boot, since), last+1)
	c.base.Store(int64(at) - elapsed)
	c.marks.Store(&marks{{}})
	return c
}

// resume is the log's time by an anchor. Within one boot that is exact. Over another, or on another machine, nothing but
// the wall clock can say how long it was.
func (a *Anchor) resume(wall int64, boot string, since int64) uint64 {
	switch {
	case a == nil:
		return uint64(max(0, wall))
	case a.Boot != "" && a.Boot == boot && since >= a.Since:
		return a.At + uint64(since-a.Since)
	case wall >= a.Wall:
		return a.At + uint64(wall-a.Wall)
	}
	// It was set back, and says nothing. What was lost must not be given again, as a client may hold it.
	return a.At + uint64(a.Slack)
}

// Anchor is where the clock stands.
func (c *Clock) Anchor() Anchor {
	c.Wake()
	wall, elapsed, boot, since := c.source.read()
	return Anchor{At: c.at(elapsed), Wall: wall, Boot: boot, Since: since}
}

// Strays reports whether the wall clock was stepped since an anchor was made.
func (c *Clock) Strays(a *Anchor) bool {
	wall, elapsed := c.source.Now()
	return apart(wall-int64(c.at(elapsed)), a.Wall-int64(a.At))
}

func (c *Clock) at(elapsed int64) uint64 { return uint64(max(0, c.base.Load()+elapsed)) }

// Now is the present.
func (c *Clock) Now() uint64 {
	_, elapsed := c.source.Now()
	return c.at(elapsed)
}

// Before is the place of what is so old now.
func (c *Clock) Before(age time.Duration) uint64 {
	return uint64(max(0, int64(c.Now())-age.Microseconds()))
}

// Age is how old the event with an id is.
func (c *Clock) Age(id uint64) time.Duration {
	return max(0, time.Duration(int64(c.Now())-int64(id))*time.Microsecond)
}

// Until is how long it is to a place; less than 0 where that is past.
func (c *Clock) Until(id uint64) time.Duration {
	return time.Duration(min(int64(id)-int64(c.Now()), int64(1<<62)/1000)) * time.Microsecond
}

// asleep is the least difference that is taken for a sleep of the machine.
const asleep = 100_000

// Wake counts in what a machine has slept, which the source does not, and reports whether it had.
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

// Next is the first id that may follow the last one, and whether there is a new mark with it, which is to be stored with
// what gets the id. It is the one place where ids come from; an engine that opens and then the committer call it.
func (c *Clock) Next(last uint64) (first uint64, marked bool) {
	for {
		wall, elapsed := c.source.Now()
		first = max(last+1, c.at(elapsed))
		switch {
		case !c.marks.Load().strays(first, wall):
			return first, false
		case c.Wake(): // no step: the machine has slept
		default:
			return first, c.mark(first, wall)
		}
	}
}
