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
