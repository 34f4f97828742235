package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
)

// TestSharedTrouble: a message that was lost, whose answer was lost, or that came twice is applied once, and its publisher
// gets the answer.
func TestSharedTrouble(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trouble []logtest.Trouble
		copies  uint64
		within  time.Duration
	}{
		"none":           {nil, 1, time.Millisecond},
		"lost":           {[]logtest.Trouble{logtest.LoseProposal, logtest.LoseProposal}, 1, 5 * time.Second},
		"answer lost":    {[]logtest.Trouble{logtest.LoseAnswer}, 1, time.Millisecond},
		"lost, then not": {[]logtest.Trouble{logtest.LoseProposal, logtest.LoseAnswer}, 1, 3 * time.Second},
		"twice":          {[]logtest.Trouble{logtest.Repeat}, 2, time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := newCluster(t)
				all.addBoth()
				for i, m := range all.members {
					all.journal.Plan(c.trouble...)
					before, begun, stored := all.journal.Len(), time.Now(), 0
					r := one("1")
					r.Stored = func() { stored++ }
					id, err := m.Append(context.Background(), r)
					if took := time.Since(begun); err != nil || id == 0 || id != r.Events[0].ID || took > c.within {
						t.Errorf("id %d, the event's %d, after %s: %v", id, r.Events[0].ID, took, err)
					}
					if copies := all.journal.Len() - before; copies != c.copies {
						t.Errorf("%d messages", copies)
					}
					all.settle()
					if ids := all.ids(m); len(ids) != i+1 || ids[i] != id || stored != 1 {
						t.Errorf("id %d, stored are %d, Stored was called %d times", id, ids, stored)
					}
				}
				all.end()
			})
		})
	}
}

// TestSharedRepeatAfterRestart: a log that was restarted between two copies of a message applies only the first one. A void
// message, and what comes after it in the message, are no other message.
func TestSharedRepeatAfterRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.addBoth()
		id := c.put(c.members[0], "1")
		place := c.journal.Len()
		void := c.journal.Add(77, 1, nil, one("2"))
		c.journal.Add(78, 1, nil)
		c.settle()
		for _, m := range c.members {
			c.reopen(m)
		}
		c.journal.Again(place)
		c.journal.Again(void)
		c.journal.Again(void + 1)
		last := c.put(c.members[1], "3")
		c.settle()
		for _, m := range c.members {
			if ids := c.ids(m); len(ids) != 3 || ids[0] != id || ids[2] != last {
				t.Errorf("ids %d", ids)
			}
		}
		c.end()
	})
}

// TestSharedVoid: if the journal finds a log's own message void, the publishers learn that nothing is stored.
func TestSharedVoid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		m := c.add(nil)
		c.put(m, "1")
		c.journal.Plan(logtest.LoseProposal)
		done := make(chan error, 2)
		for range cap(done) {
			go func() {
				_, err := m.Append(context.Background(), one("2"))
				done <- err
			}()
		}
		synctest.Wait()
		c.journal.Add(m.node.Origin(), 2, nil)
		for range cap(done) {
			if err := <-done; err != nil && (!errors.Is(err, eventlog.ErrUnavailable) || errors.Is(err, eventlog.ErrUnknown)) {
				t.Error(err)
			}
		}
		if n := len(c.ids(m)); n != 2 { // the second request was in a message of its own
			t.Errorf("%d events", n)
		}
		c.end()
	})
}

// TestSharedTooLarge: a request that is too large for the journal is refused at once, also if it comes with others. They, and
// those after it, are stored.
func TestSharedTooLarge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		m := c.add(nil)
		c.journal.SetMost(1000)
		c.journal.Plan(logtest.LoseProposal) // what comes meanwhile is one message
		begun := time.Now()
		results := make(chan error, 6)
		for i := range cap(results) {
			go func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				data := "1"
				if i == 3 {
					data = fmt.Sprint("1", string(make([]byte, 2000)))
				}
				_, err := m.Append(context.Background(), one(data))
				if (err != nil) != (i == 3) || err != nil && (!errors.Is(err, eventlog.ErrTooLarge) || errors.Is(err, eventlog.ErrUnavailable) || errors.Is(err, eventlog.ErrUnknown)) {
					t.Errorf("request %d: %v", i, err)
				}
				results <- err
			}()
		}
		for range cap(results) {
			<-results
		}
		if n := len(c.ids(m)); n != 5 || time.Since(begun) > 3*time.Second {
			t.Errorf("%d events after %s", n, time.Since(begun))
		}
		c.end()
	})
}

// TestSharedNoLeader: without a leader, publishers learn that the outcome is unknown. The queue stays bounded. Later, each
// request is stored once.
func TestSharedNoLeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.options.QueueBytes = 4 << 10
		c.addBoth()
		c.journal.Lead(false)
		m := c.members[0]
		begun := time.Now()
		errs := make(chan error, 200)
		for range cap(errs) {
			go func() {
				_, err := m.Append(context.Background(), one("1"))
				errs <- err
			}()
		}
		unknown := 0
		for range cap(errs) {
			err := <-errs
			switch {
			case !errors.Is(err, eventlog.ErrUnavailable):
				t.Fatal(err)
			case errors.Is(err, eventlog.ErrUnknown):
				unknown++
			case !errors.Is(err, eventlog.ErrQueueFull):
				t.Fatal(err)
			}
		}
		if took := time.Since(begun); took != 10*time.Second || unknown < 10 || unknown > 100 {
			t.Errorf("%d unknown outcomes after %s", unknown, took)
		}
		c.journal.Lead(true)
		time.Sleep(5 * time.Second) // until the queue is empty again
		c.put(m, "2")
		c.settle()
		for _, m := range c.members {
			if n := len(c.ids(m)); n != unknown+1 {
				t.Errorf("%d events, want %d", n, unknown+1)
			}
		}
		c.end()
	})
}

// TestSharedLongWithout: after a minute without a leader, a log gives up a message. If it comes after all, nothing breaks, and
// the next requests are stored.
func TestSharedLongWithout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.options.WaitLimit = 5 * time.Minute
		m := c.add(nil)
		c.journal.Lead(false)
		begun := time.Now()
		_, err := m.Append(context.Background(), one("1"))
		if took := time.Since(begun); !errors.Is(err, eventlog.ErrUnknown) || !errors.Is(err, eventlog.ErrUnavailable) || took < time.Minute || took > 63*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
		c.journal.Lead(true)
		c.journal.Add(m.node.Origin(), 1, one("1")) // it was on its way
		c.put(m, "2")
		if n := len(c.ids(m)); n != 2 {
			t.Errorf("%d events", n)
		}

		m.node.Hold() // the message has its place, but does not come
		begun = time.Now()
		_, err = m.Append(context.Background(), one("3"))
		if took := time.Since(begun); !errors.Is(err, eventlog.ErrUnknown) || took < time.Minute || took > 63*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
		gone, leave := context.WithTimeout(context.Background(), time.Second)
		defer leave()
		if _, err = m.Append(gone, one("4")); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		m.node.Release()
		c.put(m, "5")
		if n := len(c.ids(m)); n != 5 {
			t.Errorf("%d events", n)
		}
		c.end()
	})
}

// TestSharedClose: Close answers everybody at once, whatever is under way, and leaves no goroutine.
func TestSharedClose(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*cluster, *member){
		"under way": func(c *cluster, _ *member) { c.journal.Plan(logtest.LoseProposal) },
		"no leader": func(c *cluster, _ *member) { c.journal.Lead(false) },
		"held":      func(_ *cluster, m *member) { m.node.Hold() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				m := c.add(vfs.NewMem())
				prepare(c, m)
				errs := make(chan error, 20)
				for i := range cap(errs) {
					go func() {
						if i < 10 {
							_, err := m.Append(context.Background(), one("1"))
							errs <- err
							return
						}
						errs <- m.Barrier(context.Background())
					}()
				}
				synctest.Wait()
				begun := time.Now()
				if err := m.Close(); err != nil {
					t.Fatal(err)
				}
				for range cap(errs) {
					if err := <-errs; err != nil && !errors.Is(err, eventlog.ErrUnavailable) {
						t.Error(err)
					}
				}
				if took := time.Since(begun); took > 10*time.Millisecond {
					t.Errorf("after %s", took)
				}
				if _, err := m.Append(context.Background(), one("1")); !errors.Is(err, eventlog.ErrClosed) {
					t.Error(err)
				}
				if err := m.Start(context.Background()); !errors.Is(err, eventlog.ErrClosed) {
					t.Error(err)
				}
			})
		})
	}
}

// TestSharedCloseBeforeStart: a log that has not started, or that waits for a leader to do so, can be closed.
func TestSharedCloseBeforeStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.journal.Lead(false)
		m, other := &member{}, &member{}
		c.open(m)
		c.open(other)
		errs := make(chan error, 2)
		go func() {
			_, err := m.Append(context.Background(), one("1"))
			errs <- err
		}()
		go func() { errs <- other.Start(context.Background()) }()
		synctest.Wait()
		begun := time.Now()
		if err := errors.Join(m.Close(), other.Close()); err != nil {
			t.Error(err)
		}
		for range cap(errs) {
			if err := <-errs; !errors.Is(err, eventlog.ErrClosed) || errors.Is(err, eventlog.ErrUnknown) {
				t.Error(err)
			}
		}
		if took := time.Since(begun); took > 10*time.Millisecond {
			t.Errorf("after %s", took)
		}
	})
}

// TestSharedStart: a log has applied everything when Start returns. Followers and derivations from before see all of it, and
// what Local stores meanwhile stays.
func TestSharedStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.addBoth()
		for i := range 50 {
			r := one("1")
			r.Rows = rowsOf(fmt.Sprintf("a/%d", i))
			if _, err := c.members[i%2].Append(context.Background(), r); err != nil {
				t.Fatal(err)
			}
		}
		m := &member{files: vfs.NewMem()}
		c.open(m)
		m.node.SetMost(3)
		m.node.Hold()
		var followed []string
		err := m.Follow("a/", func(changes eventlog.Changes) {
			for _, r := range changes.Rows {
				followed = append(followed, r.Key)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		derived := 0
		m.Derive("a/", func(_ func(string) ([]byte, error), changes []eventlog.Derived) ([]eventlog.Row, error) {
			derived += len(changes)
			return []eventlog.Row{{Key: "index/x", Value: []byte(changes[0].Key)}}, nil
		})
		local := func(key string) {
			if err := m.Local(func(eventlog.Lookup) ([]eventlog.Row, []string, error) { return rowsOf(key), nil, nil }); err != nil {
				t.Error(err)
			}
		}
		local("index/before")
		started := make(chan error)
		go func() { started <- m.Start(context.Background()) }()
		synctest.Wait()
		select {
		case err := <-started:
			t.Fatal("it has started before it has applied the journal:", err)
		default:
		}
		local("index/meanwhile")
		m.node.Release()
		if err := <-started; err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(c.ids(m), c.ids(c.members[0])) || len(followed) != 50 || derived != 50 {
			t.Errorf("%d events, followed %d rows, derived from %d", len(c.ids(m)), len(followed), derived)
		}
		c.members = append(c.members, m)
		c.reopen(m)
		for _, key := range []string{"index/before", "index/meanwhile", "index/x"} {
			if value, err := m.Row(key); err != nil || value == nil {
				t.Errorf("%s is gone: %v", key, err)
			}
		}
		c.end()
	})
}
