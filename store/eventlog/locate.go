package eventlog

import (
	"fmt"
	"strconv"
)

// Start is where a client that comes back goes on.
type Start struct {
	After  uint64 // everything behind it follows
	Gap    Gap    // why that is not what it asked for
	Oldest uint64 // with a gap: the oldest retained id of the space, 0 while it is empty
	Passed uint64 // what was removed up to here is no gap: who asks for the earliest event asks for none of it
}

// Gap is why a client cannot go on from where it was. Clients see the word.
type Gap string

// The reasons of a gap.
const (
	NoGap      Gap = ""
	GapExpired Gap = "expired" // retention removed something after the client's position
	GapLost    Gap = "lost"    // the position was given out by a run whose end was lost in a crash
	GapUnknown Gap = "unknown" // the log never had that position
)

// Locate finds where a client goes on that last saw id, as contract section 3 orders the reasons.
func (l *Log) Locate(space, id string) (Start, error) {
	settled, runs := l.Settled(), l.engine.Runs()
	after, ok := ParseID(id)
	known := ok && runs[0].Start <= after && after <= settled
	lost := uint64(0)
	for _, r := range runs[1:] {
		if r.Recovered < after && after < r.Start {
			lost = r.Start
		}
	}
	// Most clients are back within moments. They are spared a look into the store: 20 µs of some 100 that
	// a connection takes.
	if f, able := l.engine.(floorer); able && known && lost == 0 && after >= f.Floor(space) {
		return Start{After: after}, nil
	}
	state, err := l.engine.State(space)
	switch {
	case err != nil:
		return Start{}, fmt.Errorf("looking for id %q: %w", id, err)
	case ok && after < state.Removed:
		return Start{After: state.Removed, Gap: GapExpired, Oldest: state.Oldest}, nil
	case ok && lost != 0:
		return Start{After: lost, Gap: GapLost, Oldest: state.Oldest}, nil
	case !known:
		return Start{After: settled, Gap: GapUnknown, Oldest: state.Oldest}, nil
	}
	return Start{After: after}, nil
}

// ParseID reads an id as clients may send it: 1 to 16 digits.
func ParseID(s string) (uint64, bool) {
	if len(s) > 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64) // which takes no sign and no underscore
	return n, err == nil
}

// Begin is where a reader of history begins that wants everything behind a position, as far as it is there. The
// position may be any number: only what retention removed, and what is yet to come, is a gap.
func (l *Log) Begin(space string, after uint64) (Start, error) {
	settled := l.Settled()
	state, err := l.engine.State(space)
	switch {
	case err != nil:
		return Start{}, fmt.Errorf("looking for position %d: %w", after, err)
	case after < state.Removed:
		return Start{After: state.Removed, Gap: GapExpired, Oldest: state.Oldest}, nil
	case after > settled:
		return Start{After: settled, Gap: GapUnknown, Oldest: state.Oldest}, nil
	}
	return Start{After: max(after, l.engine.Runs()[0].Start)}, nil
}

// Earliest is the position before everything that is retained.
func (l *Log) Earliest(space string) (Start, error) {
	state, err := l.engine.State(space)
	if err != nil {
		return Start{}, fmt.Errorf("looking for the earliest event: %w", err)
	}
	return Start{After: max(state.Removed, l.engine.Runs()[0].Start), Passed: state.Removed}, nil
}
