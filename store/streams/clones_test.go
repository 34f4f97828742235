package streams_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
	"sluice/store/share"
	"sluice/store/streams"
)

// gated is an engine whose commits wait at the gate, if there is one.
type gated struct {
	*pebble.Engine
	gate  atomic.Pointer[chan struct{}]
	stood chan struct{}
}

func (g *gated) Commit(group *eventlog.Group) error {
	if gate := g.gate.Load(); gate != nil {
		select {
		case g.stood <- struct{}{}:
		default:
		}
		<-*gate
	}
	return g.Engine.Commit(group)
}

// openGated opens a catalog with a database of ann's and one of ben's.
func openGated(t *testing.T) (*streams.Catalog, *gated) {
	t.Helper()
	engine, err := pebble.Open(pebble.Options{Dir: "data", FS: vfs.NewMem()})
	must(t, err)
	g := &gated{Engine: engine, stood: make(chan struct{}, 1)}
	log, err := eventlog.Open(g, eventlog.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, log.Close()) })
	c, err := streams.Open(log, streams.Limits{})
	must(t, err)
	must(t, c.Create(context.Background(), "a", "ann"))
	must(t, c.Create(context.Background(), "b", "ben"))
	return c, g
}

// hold begins a clone of ann's and returns when it waits, until open is called.
func (g *gated) hold(t *testing.T, c *streams.Catalog, to string) (open func()) {
	t.Helper()
	gate := make(chan struct{})
	g.gate.Store(&gate)
	done := make(chan error, 1)
	go func() { done <- c.Clone(share.With(context.Background(), "ann"), "a", to, "ann") }()
	<-g.stood
	return func() {
		g.gate.Store(nil)
		close(gate)
		must(t, <-done)
	}
}

// TestClonesTakeTurns: an account with many clones delays another by only one of them, and the number that waits is
// bounded.
func TestClonesTakeTurns(t *testing.T) {
	t.Parallel()
	c, g := openGated(t)
	open := g.hold(t, c, "a0")
	var mu sync.Mutex
	var order []string
	var all sync.WaitGroup
	clone := func(owner, of, to string) {
		all.Go(func() {
			if err := c.Clone(share.With(context.Background(), owner), of, to, owner); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			order = append(order, owner)
		})
	}
	for i := range 10 {
		clone("ann", "a", fmt.Sprint("a", i+1))
	}
	waiting := func(owner string, n int) {
		t.Helper()
		for began := time.Now(); c.ClonesWaiting(owner) < n; time.Sleep(time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Fatalf("%d clones of %s wait, want %d", c.ClonesWaiting(owner), owner, n)
			}
		}
	}
	waiting("ann", 10)
	mustBe(t, c.Clone(share.With(context.Background(), "ann"), "a", "a11", "ann"), streams.ErrBusy)
	clone("ben", "b", "b1")
	waiting("ben", 1)
	open()
	all.Wait()
	if at := slices.Index(order, "ben"); at > 1 { // two that end close together may be noted in any order
		t.Errorf("ben's clone was number %d of %s", at, strings.Join(order, " "))
	}
}

// TestWaitingIsNoGrant: an account may lose its role while it waits, by a change or because the name is now another
// database's. Then it can no longer do what only an owner may.
func TestWaitingIsNoGrant(t *testing.T) {
	t.Parallel()
	for what, do := range map[string]func(c *streams.Catalog) error{
		"clone":   func(c *streams.Catalog) error { return c.Clone(context.Background(), "b", "copy", "ben") },
		"rename":  func(c *streams.Catalog) error { return c.Rename(context.Background(), "b", "copy", "ben") },
		"destroy": func(c *streams.Catalog) error { return c.Destroy(context.Background(), "b", "ben") },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c, _ := openGated(t)
			must(t, c.Grant(context.Background(), "b", "ben", streams.Admin))
			mustBe(t, do(c), streams.ErrNoDatabase)
			must(t, c.Rename(context.Background(), "b", "old", ""))
			must(t, c.Create(context.Background(), "b", ""))
			mustBe(t, do(c), streams.ErrNoDatabase)
			if _, err := c.Write("copy"); !errors.Is(err, streams.ErrNoDatabase) {
				t.Errorf("there is a copy: %v", err)
			}
			if databases, _, _ := c.Charged("ben"); databases != 1 {
				t.Errorf("ben is charged for %d databases", databases)
			}
		})
	}
}
