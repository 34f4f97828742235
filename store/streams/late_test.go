package streams_test

import (
	"context"
	"encoding/json"
	"errors"
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
	gate.RunLate(t, log, []logtest.Late{
		{Name: "create", Change: func() error { return c.Create(ctx, "a", "ann") }, InForce: func() bool { return c.Exists("a") && c.Role("a", "ann") == streams.Owner }},
		{Name: "grant", Change: func() error { return c.Grant(ctx, "a", "bob", streams.Reader) }, InForce: func() bool { return c.Role("a", "bob") == streams.Reader }},
		{Name: "revoke", Change: func() error { return c.Grant(ctx, "a", "bob", streams.None) }, InForce: func() bool { return c.Role("a", "bob") == streams.None }},
		{Name: "rename", Change: func() error { return c.Rename(ctx, "a", "b", "ann") }, InForce: func() bool { return c.Exists("b") && !c.Exists("a") }},
		{Name: "a namespace", Change: func() error { return c.CreateNamespace(ctx, "b", "n") }, InForce: func() bool { return c.HasNamespace("b", "n") }},
		{Name: "rename a namespace", Change: func() error { return c.RenameNamespace(ctx, "b", "n", "m") }, InForce: func() bool { return c.HasNamespace("b", "m") && !c.HasNamespace("b", "n") }},
		{Name: "destroy a namespace", Change: func() error { return c.DestroyNamespace(ctx, "b", "m") }, InForce: func() bool { return !c.HasNamespace("b", "m") }},
		{Name: "a namespace with an event", Change: func() error { return event(ctx) }, InForce: has("b", "with")},
		{Name: "it is gone", Change: func() error { return c.DestroyNamespace(ctx, "b", "with") }, InForce: func() bool { return !c.HasNamespace("b", "with") }},
		{Name: "with an event of a client that went away", Change: func() error { return event(gone) }, InForce: has("b", "with")},
		{Name: "clone", Change: func() error { return c.Clone(ctx, "b", "copy", "ann") }, InForce: func() bool { return c.Exists("copy") }},
		{Name: "destroy", Change: func() error { return c.Destroy(ctx, "b", "ann") }, InForce: not(func() bool { return c.Exists("b") })},
	})
	if databases, _, _ := c.Charged("ann"); databases != 1 {
		t.Errorf("%d databases are charged, want the clone", databases)
	}
}

// While a change of a database is late, a request for that database is refused and does not wait.
func TestLateChangeHoldsNobody(t *testing.T) {
	t.Parallel()
	gate := &logtest.Gate{Engine: memory.Open(memory.Options{})}
	log, err := eventlog.Open(gate, eventlog.Options{WaitLimit: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	c, err := streams.Open(log, streams.Limits{})
	if err == nil {
		err = c.Create(context.Background(), "a", "")
	}
	if err != nil {
		t.Fatal(err)
	}
	open := gate.Shut()
	if err := c.Destroy(context.Background(), "a", ""); !errors.Is(err, eventlog.ErrUnknown) {
		t.Error(err)
	}
	if _, err := c.Write("a"); !errors.Is(err, eventlog.ErrUnavailable) || errors.Is(err, eventlog.ErrUnknown) {
		t.Error(err)
	}
	open()
	if err := log.Close(); err != nil {
		t.Error(err)
	}
	if c.Exists("a") {
		t.Error("it was destroyed and is there")
	}
}
