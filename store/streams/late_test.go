package streams_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
	"sluice/store/streams"
)

// A change that is stored after its sender has given up takes effect all the same: databases, grants, and namespaces,
// also those that are made with an event.
func TestLateChanges(t *testing.T) {
	t.Parallel()
	gate := &logtest.Gate{Engine: memory.Open(memory.Options{})}
	log, err := eventlog.Open(gate, eventlog.Options{WaitLimit: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}()
	c, err := streams.Open(log, streams.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	has := func(name, namespace string) func() bool {
		return func() bool {
			names, err := c.Namespaces(context.Background(), name)
			return err == nil && slices.Contains(names, namespace)
		}
	}
	not := func(f func() bool) func() bool { return func() bool { return !f() } }
	event := func(ctx context.Context) error {
		_, err := c.Append(ctx, "b", &streams.Event{ID: streams.NewID(), Type: "t", Namespace: "with", Stream: "s", Data: json.RawMessage("{}")}, true)
		return err
	}
	gone, leave := context.WithCancel(ctx)
	leave()
	gate.RunLate(t, []logtest.Late{
		{Name: "create", Change: func() error { return c.Create(ctx, "a", "ann") }, InForce: func() bool { return c.Exists("a") && c.Role("a", "ann") == streams.Owner }},
		{Name: "grant", Change: func() error { return c.Grant(ctx, "a", "bob", streams.Reader) }, InForce: func() bool { return c.Role("a", "bob") == streams.Reader }},
		{Name: "revoke", Change: func() error { return c.Grant(ctx, "a", "bob", streams.None) }, InForce: func() bool { return c.Role("a", "bob") == streams.None }},
		{Name: "rename", Change: func() error { return c.Rename(ctx, "a", "b", "ann") }, InForce: func() bool { return c.Exists("b") && !c.Exists("a") }},
		{Name: "a namespace", Change: func() error { return c.CreateNamespace(ctx, "b", "n") }, InForce: func() bool { return c.HasNamespace("b", "n") }},
		{Name: "rename a namespace", Change: func() error { return c.RenameNamespace(ctx, "b", "n", "m") }, InForce: func() bool { return c.HasNamespace("b", "m") && !c.HasNamespace("b", "n") && !c.Edited("b") }},
		{Name: "destroy a namespace", Change: func() error { return c.DestroyNamespace(ctx, "b", "m") }, InForce: func() bool { return !c.HasNamespace("b", "m") && !c.Edited("b") }},
		{Name: "a namespace with an event", Change: func() error { return event(ctx) }, InForce: has("b", "with")},
		{Name: "it is gone", Change: func() error { return c.DestroyNamespace(ctx, "b", "with") }, InForce: func() bool { return !c.HasNamespace("b", "with") && !c.Edited("b") }},
		{Name: "with an event of a client that went away", Change: func() error { return event(gone) }, InForce: has("b", "with")},
		{Name: "destroy", Change: func() error { return c.Destroy(ctx, "b", "ann") }, InForce: not(func() bool { return c.Exists("b") })},
	})
	if databases, _, _ := c.Charged("ann"); databases != 0 {
		t.Errorf("%d databases are charged, want none", databases)
	}
}

// While a change of a database is late, the database can be read. An event that waits behind the change is refused, as the
// change is stored first.
func TestLateChangeHoldsNobody(t *testing.T) {
	t.Parallel()
	gate := &logtest.Gate{Engine: memory.Open(memory.Options{})}
	log, err := eventlog.Open(gate, eventlog.Options{WaitLimit: 30 * time.Millisecond})
	must(t, err)
	c, err := streams.Open(log, streams.Limits{})
	must(t, err)
	must(t, c.Create(t.Context(), "a", ""))
	must(t, try(c, "a", "1", 1))
	open := gate.Shut()
	mustBe(t, c.Destroy(t.Context(), "a", ""), eventlog.ErrUnknown)
	if _, err := c.Event(t.Context(), "a", "", "s", "1"); err != nil {
		t.Error(err)
	}
	mustBe(t, try(c, "a", "2", 1), eventlog.ErrUnknown)
	open()
	must(t, log.Close())
	if c.Exists("a") {
		t.Error("it was destroyed and is there")
	}
}

// rowChanges has a token for each commit that changes rows under a prefix, from now on.
func rowChanges(t *testing.T, log *eventlog.Log, prefix string) <-chan struct{} {
	t.Helper()
	changes, began := make(chan struct{}, 100), false
	must(t, log.Follow(prefix, func(eventlog.Changes) {
		if began {
			changes <- struct{}{}
		}
	}))
	began = true
	return changes
}

// atRename is an engine whose commit that renames a space waits for the gate.
type atRename struct {
	eventlog.Engine
	gate chan struct{}
}

func (r *atRename) Commit(g *eventlog.Group) error {
	if g.Edit != nil && g.Edit.Rename[0] != "" {
		<-r.gate
	}
	return r.Engine.Commit(g)
}

// A clone whose last commit is stored after its sender has given up is complete. One that is late earlier leaves nothing.
func TestLateClone(t *testing.T) {
	t.Parallel()
	engine := &atRename{memory.Open(memory.Options{}), make(chan struct{})}
	gate := &logtest.Gate{Engine: engine}
	log, err := eventlog.Open(gate, eventlog.Options{WaitLimit: 30 * time.Millisecond})
	must(t, err)
	c, err := streams.Open(log, streams.Limits{})
	must(t, err)
	must(t, c.Create(t.Context(), "a", "ann"))
	must(t, c.CreateNamespace(t.Context(), "a", "n"))
	must(t, try(c, "a", "1", 1))
	there, gone := rowChanges(t, log, "db/d/copy"), rowChanges(t, log, "db/c/")
	mustBe(t, c.Clone(t.Context(), "a", "copy", "ann"), eventlog.ErrUnknown)
	if c.Exists("copy") {
		t.Error("it is there before it is stored")
	}
	close(engine.gate)
	<-there
	<-gone // it came
	<-gone
	if !c.Exists("copy") {
		t.Error("it is stored and not there")
	}
	if _, err := c.Event(t.Context(), "copy", "", "s", "1"); err != nil || !c.HasNamespace("copy", "n") {
		t.Errorf("it is not complete: %v", err)
	}
	open := gate.Shut()
	mustBe(t, c.Clone(t.Context(), "a", "other", "ann"), eventlog.ErrUnknown)
	open()
	<-gone // it came
	<-gone
	if rows, _ := left(t, log); len(rows) != 4 || c.Exists("other") { // two databases, with a namespace each
		t.Errorf("there are %q", rows)
	}
	if databases, _, _ := c.Charged("ann"); databases != 2 {
		t.Errorf("%d databases are charged, want two", databases)
	}
	must(t, log.Close())
}
