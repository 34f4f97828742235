package eventlog_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"sluice/store/eventlog"
)

// TestBarrier: it returns when all is applied that was in the journal at the call, and not before.
func TestBarrier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.addBoth()
		behind := c.members[1]
		behind.node.Hold()
		id := c.put(c.members[0], "1")
		begun := time.Now()
		err := behind.Barrier(context.Background())
		if took := time.Since(begun); !errors.Is(err, eventlog.ErrBehind) || !errors.Is(err, eventlog.ErrUnavailable) || took != 2*time.Second {
			t.Errorf("a barrier of a log that is behind returned after %s: %v", took, err)
		}
		hurried, leave := context.WithTimeout(context.Background(), time.Second)
		defer leave()
		if err := behind.Barrier(hurried); !errors.Is(err, eventlog.ErrBehind) || !errors.Is(err, eventlog.ErrUnavailable) {
			t.Error(err)
		}
		time.Sleep(3 * time.Second) // until no barrier is under way
		time.AfterFunc(time.Second, behind.node.Release)
		begun = time.Now()
		if err := behind.Barrier(context.Background()); err != nil || time.Since(begun) != time.Second || behind.Settled() != id {
			t.Errorf("after %s, %d is settled, want %d: %v", time.Since(begun), behind.Settled(), id, err)
		}
		c.journal.Lead(false)
		if err := behind.Barrier(context.Background()); !errors.Is(err, eventlog.ErrBehind) {
			t.Error("without a leader:", err)
		}
		c.journal.Lead(true)
		time.Sleep(time.Second) // for a moment after one that failed, further barriers fail at once
		c.end()
	})
}

// TestBarriersAreShared: however many wait, the journal is asked for its end once for those who came together, and once for
// those who came while it was asked.
func TestBarriersAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.addBoth()
		m := c.members[1]
		m.node.Hold()
		c.put(c.members[0], "1")
		before := m.node.Ends()
		done := make(chan error, 200)
		wait := func(want uint64) {
			err := m.Barrier(context.Background())
			if err == nil && m.Settled() < want {
				err = errors.New("it returned too early")
			}
			done <- err
		}
		go wait(0)
		synctest.Wait()
		second := c.put(c.members[0], "2") // what the barrier under way does not wait for
		for range cap(done) - 1 {
			go wait(second)
		}
		synctest.Wait()
		m.node.SetMost(1)
		m.node.Release()
		for range cap(done) {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if asked := m.node.Ends() - before; asked != 2 {
			t.Errorf("asked %d times", asked)
		}
		c.end()
	})
}

// TestIDFromAnotherLog: a client comes back with an id that this log has not applied yet. It goes on exactly there. An id
// that no log can have given is unknown at once.
func TestIDFromAnotherLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.addBoth()
		c.put(c.members[0], "1")
		behind := c.members[1]
		behind.node.Hold()
		id := c.put(c.members[0], "2")
		c.put(c.members[0], "3")
		time.AfterFunc(time.Second, behind.node.Release)
		starts := make(chan eventlog.Start, 2)
		go func() {
			start, err := behind.Locate(context.Background(), "", strconv.FormatUint(id, 10))
			if err != nil {
				t.Error(err)
			}
			starts <- start
		}()
		go func() {
			start, err := behind.Begin(context.Background(), "", id)
			if err != nil {
				t.Error(err)
			}
			starts <- start
		}()
		begun := time.Now()
		for range 2 {
			if start := <-starts; start.Gap != eventlog.NoGap || start.After != id || time.Since(begun) != time.Second {
				t.Errorf("%+v after %s", start, time.Since(begun))
			}
		}
		behind.node.Hold()
		c.put(c.members[0], "4")
		begun = time.Now()
		if _, err := behind.Locate(context.Background(), "", strconv.FormatUint(c.members[0].Settled(), 10)); !errors.Is(err, eventlog.ErrBehind) {
			t.Error(err)
		}
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("after %s", took)
		}
		begun = time.Now()
		for _, far := range []uint64{behind.Clock().Now() + 61_000_000, 1<<63 + 1} {
			start, err := behind.Begin(context.Background(), "", far)
			if err != nil || start.Gap != eventlog.GapUnknown || time.Since(begun) > 0 {
				t.Errorf("%d: %+v after %s: %v", far, start, time.Since(begun), err)
			}
		}
		behind.node.Release()
		time.Sleep(time.Second) // for a moment after one that failed, further barriers fail at once
		near := strconv.FormatUint(c.members[0].Settled()+30_000_000, 10)
		if start, err := behind.Locate(context.Background(), "", near); err != nil || start.Gap != eventlog.GapUnknown || start.After != c.members[0].Settled() {
			t.Errorf("%+v, %v", start, err)
		}
		c.end()
	})
}
