package eventlog_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/rows"
)

// TestTick: in an idle journal, one of the logs proposes an empty message about every ten seconds. A busy one needs none.
func TestTick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.addBoth()
		c.add(nil)
		for range 5 {
			before := c.journal.Len()
			time.Sleep(10*time.Second - time.Millisecond)
			if n := c.journal.Len() - before; n > 1 {
				t.Errorf("%d messages in ten seconds", n)
			}
			time.Sleep(2*time.Second + 2*time.Millisecond)
			if n := c.journal.Len() - before; n < 1 || n > 2 {
				t.Errorf("%d messages in twelve seconds", n)
			}
		}
		if n := c.journal.Len(); n < 4 || n > 6 {
			t.Errorf("%d messages in a minute", n)
		}
		last := c.put(c.members[0], "1") // since a tick takes no id, the next event is the first
		before := c.journal.Len()
		for range 10 {
			time.Sleep(5 * time.Second)
			last = c.put(c.members[0], "1")
		}
		if n := c.journal.Len() - before; n != 10 {
			t.Errorf("%d messages, want 10", n)
		}
		time.Sleep(time.Minute)
		if c.members[1].Settled() != last {
			t.Error("a tick has an id")
		}
		c.end()
	})
}

// TestTickOfOthers: messages of a process whose clock is behind do not move the log's time. So the others propose ticks though
// the journal is busy, but none of them often.
func TestTickOfOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.addBoth()
		c.put(c.members[0], "1")
		stuck := time.Now()
		c.journal.SetNow(func() time.Time { return stuck })
		before := c.journal.Len()
		for range 120 {
			c.put(c.members[0], "1")
			time.Sleep(time.Second)
		}
		if ticks := c.journal.Len() - before - 120; ticks < 8 || ticks > 12 { // of the second log; those of the first are the puts
			t.Errorf("%d ticks in two minutes", ticks)
		}
		c.end()
	})
}

// TestSharedClocks: logs whose clocks are wrong have the journal's time: one that is ahead removes nothing early, and one that
// is behind gives no old time.
func TestSharedClocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		for _, off := range []time.Duration{0, time.Hour, -time.Hour} {
			for _, files := range []vfs.FS{nil, vfs.NewMem()} {
				m := &member{files: files, source: logtest.SourceOf(func() time.Time { return time.Now().Add(off) })}
				c.members = append(c.members, m)
				c.open(m)
				c.start(m)
			}
		}
		near := func() {
			t.Helper()
			c.settle()
			for i, m := range c.members {
				if off := time.Duration(int64(m.Clock().Now())-time.Now().UnixMicro()) * time.Microsecond; off > 0 || off < -time.Millisecond {
					t.Errorf("the clock of log %d is %s ahead", i, off)
				}
			}
		}
		id := c.put(c.members[2], "1")
		near()
		for range 30 {
			time.Sleep(time.Minute)
			c.put(c.members[1], "1")
			near()
		}
		for i, m := range c.members {
			if age := m.Clock().Age(id); age > 30*time.Minute || age < 30*time.Minute-time.Millisecond {
				t.Errorf("log %d: the age is %s", i, age)
			}
		}
		c.journal.Lead(false)
		time.Sleep(10 * time.Minute)
		for i, m := range c.members {
			if age := m.Clock().Age(id); age > 31*time.Minute {
				t.Errorf("log %d, without news: the age is %s", i, age)
			}
		}
		c.journal.Lead(true)
		time.Sleep(15 * time.Second)
		c.put(c.members[1], "1")
		c.settle()
		near()
		c.end()
	})
}

// TestSharedTimeGoesBack: the journal's clock may be set back, as another leader's clock may be behind. Ids grow nevertheless.
func TestSharedTimeGoesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.addBoth()
		last := uint64(0)
		for i, off := range []time.Duration{0, -time.Minute, time.Hour, -time.Hour, 0} {
			c.journal.SetNow(func() time.Time { return time.Now().Add(off) })
			id := c.put(c.members[i%2], "1")
			if id <= last {
				t.Errorf("%d after %d", id, last)
			}
			last = id
			time.Sleep(time.Second)
		}
		c.end()
	})
}

// origins are those that a log remembers.
func originsOf(t *testing.T, m *member) (names []string) {
	t.Helper()
	if err := m.Rows(rows.Origin, func(r eventlog.Row) error {
		names = append(names, strings.TrimPrefix(r.Key, rows.Origin))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return names
}

// TestOriginsAreForgotten: an origin is forgotten once it was silent for two hours, when a new one comes. It does not matter
// how many messages a log applies in one commit.
func TestOriginsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		at := time.Now()
		c.journal.SetNow(func() time.Time { return at })
		for _, m := range []struct {
			origin, number uint64
			after          time.Duration
		}{
			{101, 1, 0}, {102, 1, time.Minute}, {103, 1, time.Hour},
			{101, 2, 50 * time.Minute},                  // still known
			{104, 1, 10*time.Minute + time.Microsecond}, // 102 is a µs short of being forgotten
			{102, 1, 0},                          // a repeat
			{105, 1, time.Minute},                // 102 is forgotten
			{102, 1, 0},                          // so this one is new
			{103, 1, 70 * time.Minute},           // still known: nobody new came
			{102, 2, 3 * time.Hour}, {106, 1, 0}, // the others are forgotten
			{101, 3, 0}, {101, 3, 0},
			{107, 1, 3 * time.Hour}, {107, 2, 0}, {108, 1, time.Hour},
		} {
			at = at.Add(m.after)
			c.journal.Add(m.origin, m.number, one("1"))
		}
		for i, most := range []int{1, 0, 2, 3, 5, 7} {
			m := &member{}
			if i%2 == 0 {
				m.files = vfs.NewMem()
			}
			c.members = append(c.members, m)
			c.open(m)
			m.node.SetMost(most)
			c.start(m)
			if got := strings.Join(originsOf(t, m), " "); got != "000000000000006b 000000000000006c" {
				t.Errorf("%d messages at once: %s", most, got)
			}
			if n := len(c.ids(m)); n != 13 {
				t.Errorf("%d messages at once: %d events", most, n)
			}
			if i%3 == 0 {
				c.reopen(m)
			}
		}
		c.end()
	})
}

// TestClaims: a log whose state was changed behind its back is reported by the others, and reports them. Others are not, also
// not after repeats and void messages.
func TestClaims(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.addBoth()
		a, b := c.members[0], c.members[1]
		void := c.journal.Add(99, 1, nil)
		for range 5 {
			c.put(a, "1")
			c.journal.Add(98, c.journal.Len(), nil, &eventlog.Request{})
			c.journal.Again(void)
			c.settle()
			c.put(b, "1")
			c.journal.Again(c.journal.Len())
		}
		c.settle()
		for _, m := range c.members {
			if agreed, disagreed := m.node.Claims(); agreed < 4 || len(disagreed) > 0 {
				t.Errorf("%d claims agreed, not those of %d", agreed, disagreed)
			}
		}
		stored := b.engine.(eventlog.Contents).Stored()
		if err := b.engine.Commit(&eventlog.Group{Applied: stored, Rows: rowsOf("x")}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Append(context.Background(), &eventlog.Request{Rows: rowsOf("y"), If: []eventlog.Condition{eventlog.RowIs("x", nil)}}); err != nil {
			t.Fatal(err)
		}
		c.settle()
		c.put(a, "1")
		c.put(b, "1")
		c.settle()
		for i, m := range c.members {
			if _, disagreed := m.node.Claims(); len(disagreed) != 1 || disagreed[0] != c.members[1-i].node.Origin() {
				t.Errorf("log %d disagrees with %d", i, disagreed)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
