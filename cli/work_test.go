package cli

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestWork: without a terminal, progress is one line every few seconds.
func TestWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		w := newWork(&Streams{Err: &out})
		for n := range int64(12) { // a second each
			w.show("checking keys", n, 24)
			time.Sleep(time.Second)
		}
		w.show("checking documents", 7, 0)
		const want = "sluice: [######........................]  21 % checking keys: 5\n" +
			"sluice: [############..................]  42 % checking keys: 10\n"
		if out.String() != want {
			t.Errorf("got\n%swant\n%s", out.String(), want)
		}
		time.Sleep(workEvery)
		w.show("checking documents", 7, 0)
		if !strings.HasSuffix(out.String(), "sluice: checking documents: 7\n") {
			t.Error(out.String())
		}
	})
}

func TestPace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		done, total int64
		took        time.Duration
		want        string
	}{
		{0, 100, time.Minute, ""},
		{50, 100, 500 * time.Millisecond, ""}, // too early to know
		{50, 100, 2 * time.Second, ", 25/s, 2s left"},
		{7, 0, 10 * time.Second, ", 0.7/s"},
		{100, 100, 10 * time.Second, ", 10/s"},
		{1_000_000, 100_000_000, 10 * time.Second, ", 100,000/s, 16m 30s left"},
	} {
		if got := pace(tt.done, tt.total, tt.took); got != tt.want {
			t.Errorf("%d of %d in %s: got %q, want %q", tt.done, tt.total, tt.took, got, tt.want)
		}
	}
}

// Work of unknown length shows that it goes on once it has taken a second, and leaves nothing behind.
func TestDuring(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		p := &progress{w: &out, started: time.Now(), on: true}
		if err := p.during("copying", func() error { time.Sleep(900 * time.Millisecond); return nil }); err != nil || out.String() != "\r\x1b[K" {
			t.Errorf("%q %v", out.String(), err)
		}
		out.Reset()
		p.started = time.Now()
		want := errors.New("no")
		if err := p.during("copying", func() error { time.Sleep(1300 * time.Millisecond); return want }); err != want {
			t.Error(err)
		}
		if got := out.String(); got != "\r\x1b[K[....######....................] copying: 1s\r\x1b[K[.....######...................] copying: 1s\r\x1b[K" && got != "\r\x1b[K[....######....................] copying: 1s\r\x1b[K" {
			t.Errorf("%q", got)
		}
	})
}

func TestKeysWithoutSequences(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{"q": "q", "\x1b[As": "s", "\x1b[1;5Cp\x1bOPq": "pq", "\x1b": "", "\x1b[": "", "\x1b[5~\x1b[6~": ""} {
		if got := string(withoutSequences([]byte(typed))); got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}

// There is a rate only between two figures of the same run of the same gateways.
func TestSampleOf(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	figuresAt := func(second int, started time.Time, events float64) figures {
		f := figures{Time: at.Add(time.Duration(second) * time.Second), Started: started}
		f.Events = events
		return f
	}
	started := at.Add(-time.Hour)
	for _, tt := range []struct {
		name        string
		before, now figures
		rate        float64
		ok          bool
	}{
		{"the first", figures{}, figuresAt(0, started, 5), 0, false},
		{"two seconds", figuresAt(0, started, 5), figuresAt(2, started, 15), 5, true},
		{"nothing new", figuresAt(0, started, 5), figuresAt(1, started, 5), 0, true},
		{"a restart", figuresAt(0, started, 5), figuresAt(1, at, 900), 0, false},
		{"the same moment", figuresAt(1, started, 5), figuresAt(1, started, 5), 0, false},
		{"a gateway less", figuresAt(0, started, 500), figuresAt(1, started, 5), 0, false},
	} {
		if s, ok := sampleOf("x", tt.before, tt.now); ok != tt.ok || s.EventsRate != tt.rate {
			t.Errorf("%s: %v %v", tt.name, s.EventsRate, ok)
		}
	}
}

func TestSortClients(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	list := []topClient{
		{ID: "new", Who: "b", Kind: "key", From: "2", Since: at.Add(time.Hour), LagMS: 0},
		{ID: "old", Who: "c", Kind: "jwt", From: "3", Since: at, LagMS: 10},
		{ID: "slow", Who: "a", Kind: "user", From: "1", Since: at.Add(time.Minute), LagMS: 5000},
	}
	for by, want := range map[string]string{"lag": "slow old new", "age": "old slow new", "who": "slow new old", "from": "slow new old", "kind": "old new slow"} {
		sortClients(list, by)
		got := list[0].ID + " " + list[1].ID + " " + list[2].ID
		if got != want {
			t.Errorf("by %s: %s, want %s", by, got, want)
		}
	}
	if len(sortNames) != 5 {
		t.Error("a name of sorting has no test")
	}
}
