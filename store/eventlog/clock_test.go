package eventlog

import (
	"bytes"
	"testing"
	"time"
)

// fake is a source whose times a test sets.
type fake struct{ wall, elapsed int64 }

func (f *fake) source() Source {
	return Source{
		Now:  func() (wall, elapsed int64) { return f.wall, f.elapsed },
		Boot: func() (boot string, since int64) { return "", 0 },
	}
}

func (f *fake) pass(d time.Duration) { f.wall += d.Microseconds(); f.elapsed += d.Microseconds() }

// next gives an id as the committer does.
func next(c *Clock, last uint64) uint64 {
	at, wall := c.look()
	first := max(last+1, at)
	if m := *c.marks.Load(); m.strays(first, wall) {
		if m, noted := m.note(first, wall); noted {
			c.marks.Store(&m)
		}
	}
	return first
}

// TestMarksAreBounded: however often the clock is set, there are few marks. The newest times are right, and so are
// those around large steps: the smallest steps are merged.
func TestMarksAreBounded(t *testing.T) {
	t.Parallel()
	f := &fake{wall: 1_795_176_000_000_000}
	c := NewClock(f.source(), 0, nil)
	type given struct {
		id   uint64
		wall int64
	}
	var day given
	last := uint64(0)
	for i := range int64(3 * marksMost) {
		f.pass(2 * time.Second)
		f.wall += (i%2*2 - 1) * 2_000_000 // two seconds forward, then back
		if i == 100 {
			f.wall += 86_400_000_000
		}
		if id := next(c, last); id <= last {
			t.Fatalf("%d after %d", id, last)
		} else {
			last = id
		}
		if i == 100 {
			day = given{last, f.wall}
		}
		if off := c.Stamp(last) - f.wall; apart(off, 0) {
			t.Fatalf("step %d: a new event is %d µs off", i, off)
		}
	}
	if n := len(*c.marks.Load()); n > marksMost || n < marksMost/2 {
		t.Errorf("%d marks", n)
	}
	if off := c.Stamp(day.id) - day.wall; off > 5_000_000 || off < -5_000_000 {
		t.Errorf("what was published at the great step is %d µs off", off)
	}
	text := c.marks.Load().bytes()
	again := NewClock(f.source(), last, nil)
	if err := again.SetMarks(text); err != nil || !bytes.Equal(again.marks.Load().bytes(), text) {
		t.Errorf("read again: %v", err)
	}
	for _, bad := range [][]byte{text[:15], text[16:], append(bytes.Clone(text), text...)} {
		if again.SetMarks(bad) == nil {
			t.Errorf("%d bytes were taken", len(bad))
		}
	}
	left := c.marks.Load().since(last)
	c.marks.Store(&left)
	if n := len(left); n != 1 || apart(c.Stamp(last), f.wall) {
		t.Errorf("%d marks are left of a log whose events are gone", n)
	}
}

// TestMarksAreRare: a clock that jumps for a second makes a few marks, and times are soon right again.
func TestMarksAreRare(t *testing.T) {
	t.Parallel()
	f := &fake{wall: 1_795_176_000_000_000}
	c := NewClock(f.source(), 0, nil)
	last := uint64(0)
	for i := range int64(1000) {
		f.pass(time.Millisecond)
		f.wall += (i%2*2 - 1) * 60_000_000
		last = next(c, last)
	}
	if n := len(*c.marks.Load()); n > burst+2 {
		t.Errorf("%d marks in a second", n)
	}
	f.pass(burst * time.Second)
	if last = next(c, last); apart(c.Stamp(last), f.wall) {
		t.Errorf("%d µs off", c.Stamp(last)-f.wall)
	}
}

// TestAnchorsOfOthers: bytes that are no anchor are refused. If the boot is younger than the anchor, the anchor is of
// another machine or another time namespace.
func TestAnchorsOfOthers(t *testing.T) {
	t.Parallel()
	a := Anchor{At: 5_000_000, Wall: 1_000_000, Boot: "b", Since: 9_000_000, Slack: 7}
	read, err := ReadAnchor(a.Append(nil))
	if err != nil || *read != a {
		t.Fatalf("%+v %v", read, err)
	}
	if _, err := ReadAnchor([]byte("damaged")); err == nil {
		t.Error("a damaged anchor was taken")
	}
	for _, tt := range []struct {
		boot        string
		wall, since int64
		want        uint64
	}{
		{"b", 0, 12_000_000, 8_000_000},        // exact
		{"b", 3_000_000, 1_000_000, 7_000_000}, // by the wall clock
		{"c", 3_000_000, 99_000_000, 7_000_000},
		{"", 3_000_000, 0, 7_000_000},
		{"c", 999_999, 99_000_000, 5_000_007}, // the wall clock was set back
	} {
		if got := a.resume(tt.wall, tt.boot, tt.since); got != tt.want {
			t.Errorf("%+v: %d", tt, got)
		}
	}
}

// TestLookAllocatesNothing: look is called for each commit.
func TestLookAllocatesNothing(t *testing.T) {
	c := NewClock(System(), 0, nil)
	last := uint64(0)
	if n := testing.AllocsPerRun(1000, func() { last = next(c, last); c.Stamp(last) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNext(b *testing.B) {
	c := NewClock(System(), 0, nil)
	last := uint64(0)
	for b.Loop() {
		last = next(c, last)
	}
}

func BenchmarkStamp(b *testing.B) {
	c := NewClock(System(), 0, nil)
	last := next(c, 0)
	for b.Loop() {
		c.Stamp(last)
	}
}
