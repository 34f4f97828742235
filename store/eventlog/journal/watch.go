package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/store/eventlog"
	"sluice/store/panics"
)

// A gateway that is behind must not be silent: its clients would think that nothing happens. A journal without a leader is
// something else: nothing is stored then, so nothing is missed.

const (
	watchEvery = time.Second
	lagMost    = 3 // seconds
	silentMost = 2 // looks in a row without a leader, after which it counts whether other gateways are heard
)

// progress is what is known of the journal's end. It is asked for once a second.
type progress struct {
	ends   [lagMost + 1]uint64 // the journal's end at the last looks, the newest first
	silent int                 // looks in a row without a leader
}

// health is the reason that the gateway is behind, which has applied the messages up to a place. majority reports whether it hears most of
// the other gateways.
func (p *progress) health(applied uint64, majority func() bool) error {
	switch {
	case p.silent >= silentMost && !majority():
		return fmt.Errorf("%w: %w", eventlog.ErrBehind, errNoMajority)
	case applied < p.ends[lagMost]:
		return fmt.Errorf("%w: it has applied %d messages of the journal, which had %d three seconds ago", eventlog.ErrBehind, applied, p.ends[lagMost])
	}
	return nil
}

// look notes one look. Without an answer, nothing is known to be newer.
func (p *progress) look(end uint64, answered bool) {
	if p.silent++; answered {
		p.silent = 0
	} else {
		end = p.ends[0]
	}
	copy(p.ends[1:], p.ends[:lagMost])
	p.ends[0] = end
}

// watch asks for the journal's end each second.
func (j *Journal) watch() {
	defer panics.Contain(j.log, "watching the journal")
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-j.life.Done():
			return
		case <-tick.C:
		}
		j.watchOnce()
	}
}

func (j *Journal) watchOnce() {
	defer panics.Contain(j.log, "watching the journal")
	ctx, cancel := context.WithTimeout(j.life, watchEvery)
	defer cancel()
	applied := j.applied.Load() // before the question, so the end is never older
	state, err := Look(ctx, j.bus)
	switch {
	case errors.Is(err, ErrNone), err == nil && state.Birth != j.o.Birth:
		j.fail(fmt.Errorf("%w: what to do is in docs/cluster.md", ErrOther))
		return
	case err == nil && state.Led && state.Last < applied && j.shorter(applied):
		j.fail(lostEnd(state.Last, applied))
		return
	case err == nil && state.Led:
		j.metrics.End.Store(state.Last)
	}
	// A leader without a majority has nothing to say: others may have another one, and go on.
	answered := err == nil && state.Led
	if reason := j.look(state.Last, answered); reason != nil {
		j.fail(reason)
	}
}

// lostEnd is the error of a journal whose end is before what is applied.
func lostEnd(last, applied uint64) error {
	return fmt.Errorf("%w: it ends at place %d, this gateway has applied %d; what to do is in docs/cluster.md", ErrShorter, last, applied)
}

// Looks at a journal that seems to have lost its end.
const (
	shorterLooks = 5
	shorterEvery = 200 * time.Millisecond
)

// shorter reports whether the journal really ends before what is applied. A leader that was cut off has an older end, and says
// so once more when it is back, before it learns that there is another leader. Then the message that was applied is there.
func (j *Journal) shorter(applied uint64) bool {
	ctx, cancel := context.WithTimeout(j.life, 5*time.Second)
	defer cancel()
	for range shorterLooks {
		err := read(ctx, j.bus, applied, func(stored) error { return errDone })
		if err != nil { // it is there, or nobody knows now: the next look decides
			return false
		}
		j.pause(shorterEvery)
		state, err := Look(ctx, j.bus)
		if err != nil || !state.Led || state.Last >= applied {
			return false
		}
	}
	return true
}

func (j *Journal) look(end uint64, answered bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress.look(end, answered)
	return j.claims.differ(j.now())
}

// claims are what the other gateways have said of their states last.
type claims map[uint64]claim

type claim struct {
	agrees bool
	at     time.Time
	since  time.Time // it has not agreed since then
}

const (
	claimLife = 30 * time.Second
	claimWait = 5 * time.Second // for the claims of others, before it is decided who is wrong
	claimMost = 256
)

// Compared notes whether another gateway's claim agrees with this one's state.
func (j *Journal) Compared(origin uint64, agrees bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.now()
	old, known := j.claims[origin]
	if !known && len(j.claims) >= claimMost {
		clear(j.claims) // gateways that were started again and again
	}
	c := claim{agrees: agrees, at: now, since: now}
	if !agrees {
		j.metrics.Differs.Add(1)
		if known && !old.agrees {
			c.since = old.since
		}
	}
	j.claims[origin] = c
}

// ErrDiffers is the fatal error of a gateway whose state is not that of the others.
var ErrDiffers = errors.New("the state of this gateway differs from that of most of the others at the same place of the journal; move its folder DATA_DIR/log away and start it again: it loads a snapshot. Please report it, with both folders")

// differ returns ErrDiffers if at least as many gateways disagree with this one as agree, itself included.
func (c claims) differ(now time.Time) error {
	agree, disagree, decided := 1, 0, false
	for origin, claim := range c {
		switch {
		case now.Sub(claim.at) > claimLife:
			delete(c, origin)
		case claim.agrees:
			agree++
		default:
			disagree++
			decided = decided || now.Sub(claim.since) >= claimWait
		}
	}
	if decided && disagree >= agree {
		return ErrDiffers
	}
	return nil
}
