package eventlog

import (
	"encoding/binary"
	"errors"
	"sort"
	"time"
)

// mark is how far the wall clock was ahead of ids, from the id first on.
type mark struct {
	first uint64
	ahead int64
}

// marks are the marks of a log, in order. The first one begins at 0; most logs have no other.
type marks []mark

const (
	tolerance = 500_000 // µs that the wall clock may be away from a mark
	burst     = 16      // at most 16 marks in 16 seconds, so that a clock that jumps all the time does not fill the log
	marksMost = 256
)

// apart reports whether two differences of clocks are so far apart that a clock was stepped.
func apart(a, b int64) bool { return a-b > tolerance || b-a > tolerance }

func (m marks) strays(id uint64, wall int64) bool { return apart(wall-int64(id), m[len(m)-1].ahead) }

// of returns the mark of an id. That is almost always the last one.
func (m marks) of(id uint64) mark {
	if last := m[len(m)-1]; id >= last.first {
		return last
	}
	return m[sort.Search(len(m), func(i int) bool { return m[i].first > id })-1]
}

// Stamp is the wall clock's time when an id was given, within half a second, in microseconds since 1970.
func (c *Clock) Stamp(id uint64) int64 { return int64(id) + c.marks.Load().of(id).ahead }

// Time is Stamp as a time in UTC.
func (c *Clock) Time(id uint64) time.Time { return time.UnixMicro(c.Stamp(id)).UTC() }

// Place is the first id whose Time is at or after t. If the clock was set back and had a time twice, Place uses the
// first.
func (c *Clock) Place(t time.Time) uint64 {
	wall, m := t.UnixMicro(), *c.marks.Load()
	for i := range m {
		id := max(int64(m[i].first), wall-m[i].ahead)
		if i == len(m)-1 || uint64(id) < m[i+1].first {
			return uint64(max(1, id))
		}
	}
	return 0
}

// note adds the mark of a step of the wall clock before the id first. It adds none, and returns false, if there were too
// many steps just now.
func (m marks) note(first uint64, wall int64) (marks, bool) {
	n := len(m)
	if n > burst && first-m[n-burst].first < burst*1_000_000 {
		return m, false
	}
	if n > 1 && m[n-1].first == first { // the last mark got no event
		m = m[:n-1]
	}
	out := append(append(make(marks, 0, n+1), m...), mark{first, wall - int64(first)})
	for len(out) > marksMost {
		out = out.merge()
	}
	return out, true
}

// merge removes the mark that changes times the least; its events take the mark before it.
func (m marks) merge() marks {
	least, at := int64(-1), 0
	for i := 1; i < len(m)-1; i++ {
		if by := max(m[i].ahead-m[i-1].ahead, m[i-1].ahead-m[i].ahead); least < 0 || by < least {
			least, at = by, i
		}
	}
	return append(m[:at], m[at+1:]...)
}

// since returns the marks without those of events that are all gone.
func (m marks) since(oldest uint64) marks {
	n := 0
	for n < len(m)-1 && m[n+1].first <= oldest {
		n++
	}
	if n == 0 {
		return m
	}
	m = append(marks{}, m[n:]...)
	m[0].first = 0
	return m
}

// errClock is the error of a stored anchor or stored marks that cannot be read.
var errClock = errors.New("the stored time of the log cannot be read: the log is damaged, or a newer version wrote it")

// bytes returns the marks in the form in which a store has them.
func (m marks) bytes() []byte {
	b := make([]byte, 0, 16*len(m))
	for _, one := range m {
		b = binary.BigEndian.AppendUint64(b, one.first)
		b = binary.BigEndian.AppendUint64(b, uint64(one.ahead))
	}
	return b
}

// SetMarks reads marks as a store has them. Empty input changes nothing.
func (c *Clock) SetMarks(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if len(b)%16 != 0 {
		return errClock
	}
	var m marks
	for ; len(b) > 0; b = b[16:] {
		m = append(m, mark{binary.BigEndian.Uint64(b), int64(binary.BigEndian.Uint64(b[8:]))})
		if n := len(m); n == 1 && m[0].first != 0 || n > 1 && m[n-1].first <= m[n-2].first {
			return errClock
		}
	}
	c.marks.Store(&m)
	return nil
}

// Append appends the anchor in the form in which a store has it.
func (a *Anchor) Append(b []byte) []byte {
	for _, n := range [...]uint64{a.At, uint64(a.Wall), uint64(a.Since), uint64(a.Slack)} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return append(b, a.Boot...)
}

// ReadAnchor reads what Append appended. It returns nil for empty input.
func ReadAnchor(b []byte) (*Anchor, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) < 32 {
		return nil, errClock
	}
	n := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[8*i:])) }
	return &Anchor{At: uint64(n(0)), Wall: n(1), Since: n(2), Slack: n(3), Boot: string(b[32:])}, nil
}
