package eventlog

import (
	"fmt"
	"strconv"
)

// Start is where a client that comes back goes on.
type Start struct {
	After  uint64 // everything behind it follows
	Gap    string // "", expired, lost or unknown: why that is not what it asked for
	Oldest uint64 // the oldest retained id of the space, 0 while it is empty
}

// The reasons of a gap.
const (
	GapExpired = "expired" // retention removed something after the client's position
	GapLost    = "lost"    // the position was given out by a run whose end was lost in a crash
	GapUnknown = "unknown" // the log never had that position
)

// Locate finds where a client goes on that last saw id, as contract section 3 orders the reasons.
func (l *Log) Locate(space, id string) (Start, error) {
	settled := l.Settled()
	state, err := l.engine.State(space)
	if err != nil {
		return Start{}, fmt.Errorf("looking for id %q: %w", id, err)
	}
	start := Start{After: settled, Gap: GapUnknown, Oldest: state.Oldest}
	after, ok := parseID(id)
	if !ok {
		return start, nil
	}
	runs := l.engine.Runs()
	if after < state.Removed {
		return Start{state.Removed, GapExpired, state.Oldest}, nil
	}
	for _, r := range runs[1:] {
		if r.Recovered < after && after < r.Start {
			return Start{r.Start, GapLost, state.Oldest}, nil
		}
	}
	if after < runs[0].Start || after > settled {
		return start, nil
	}
	return Start{After: after, Oldest: state.Oldest}, nil
}

// parseID reads 1 to 16 digits.
func parseID(s string) (uint64, bool) {
	if len(s) < 1 || len(s) > 16 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}
