package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
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
					begun = time.Now() // the next message does not wait for the lost answer
					if _, err := m.Append(context.Background(), &eventlog.Request{}); err != nil || time.Since(begun) > time.Millisecond {
						t.Errorf("the next one took %s: %v", time.Since(begun), err)
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
		refused := 0
		for range cap(done) { // the second request is in the same message or in the next one
			err := <-done
			if err != nil && (!errors.Is(err, eventlog.ErrUnavailable) || errors.Is(err, eventlog.ErrUnknown)) {
				t.Error(err)
			}
			if err != nil {
				refused++
			}
		}
		if n := len(c.ids(m)); refused == 0 || n != 3-refused {
			t.Errorf("%d events, %d refused", n, refused)
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

// fickle is an engine whose commits take time, and that is full at times.
type fickle struct {
	*memory.Engine
	takes time.Duration
	full  error
}

func (e *fickle) Commit(g *eventlog.Group) error {
	time.Sleep(e.takes)
	return e.Engine.Commit(g)
}

func (e *fickle) Admit(*eventlog.Request) error { return e.full }

// TestSharedRetry: a message is applied at the moment when it is proposed again. The race detector finds whether the second
// try reads what applying writes.
func TestSharedRetry(t *testing.T) {
	t.Parallel()
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t)
			m := &member{engine: &fickle{Engine: memory.Open(memory.Options{}), takes: 2 * time.Second}}
			c.openWith(m)
			c.start(m)
			c.journal.Plan(logtest.LoseAnswer)
			r := &eventlog.Request{Make: "$room/a", Once: &eventlog.Once{MostInAll: 9, MostPerOwner: 9}}
			r.Events = []eventlog.Event{{Name: "a", Stream: "s", Key: "k", Data: []byte("1")}}
			if _, err := m.Append(context.Background(), r); err != nil {
				t.Error(err)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSharedFull: a request that waited while the disk became full is refused before it is proposed. So nothing else is.
func TestSharedFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		engine := &fickle{Engine: memory.Open(memory.Options{})}
		m := &member{engine: engine}
		c.openWith(m)
		c.start(m)
		c.journal.Lead(false)
		errs := make(chan error, 2)
		for range cap(errs) { // the first is under way, the other one waits
			go func() {
				_, err := m.Append(context.Background(), one("1"))
				errs <- err
			}()
			synctest.Wait()
		}
		engine.full = eventlog.ErrDiskFull
		c.journal.Lead(true)
		for range cap(errs) {
			if err := <-errs; err != nil && !eventlog.DiskFull(err) {
				t.Error(err)
			}
		}
		if n := len(c.ids(m)); n != 1 || c.journal.Len() != 1 {
			t.Errorf("%d events, %d messages", n, c.journal.Len())
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestSharedEngineFails: if the engine fails for good, nobody waits any longer, and nothing is proposed any more.
func TestSharedEngineFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		engine := &broken{Engine: memory.Open(memory.Options{}), failed: make(chan struct{})}
		m := &member{engine: engine}
		c.openWith(m)
		c.start(m)
		m.node.Hold()
		errs := make(chan error, 30)
		for range cap(errs) {
			go func() {
				_, err := m.Append(context.Background(), one("1"))
				errs <- err
			}()
		}
		synctest.Wait()
		close(engine.failed)
		m.node.Release()
		begun := time.Now()
		for range cap(errs) {
			if err := <-errs; !errors.Is(err, eventlog.ErrUnavailable) || time.Since(begun) > 10*time.Millisecond {
				t.Errorf("after %s: %v", time.Since(begun), err)
			}
		}
		if err := m.Barrier(context.Background()); !errors.Is(err, eventlog.ErrUnavailable) {
			t.Error(err)
		}
		before := c.journal.Len()
		time.Sleep(time.Minute)
		if n := c.journal.Len(); n != before {
			t.Errorf("%d messages after the failure", n-before)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

// broken is an engine that fails for good.
type broken struct {
	*memory.Engine
	failed chan struct{}
}

func (e *broken) Failed() <-chan struct{} { return e.failed }

func (e *broken) Commit(g *eventlog.Group) error {
	select {
	case <-e.failed:
		return errors.New("it has failed")
	default:
		return e.Engine.Commit(g)
	}
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
