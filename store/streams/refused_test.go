package streams_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/pebble"
	"sluice/store/streams"
)

// TestRefusedBehindChange: what was looked up before another catalog's change and is stored behind it is refused. Both
// wait in the queue while the gate is shut, in this order, until their senders have given up.
func TestRefusedBehindChange(t *testing.T) {
	t.Parallel()
	appends := func(ctx context.Context, c *streams.Catalog) error { return appendTo(c, "a", "shop", "s", "2", true) }
	type change func(ctx context.Context, c *streams.Catalog) error
	for name, tt := range map[string]struct{ first, second change }{
		"an event, and the database is destroyed": {func(ctx context.Context, c *streams.Catalog) error { return c.Destroy(ctx, "a", "") }, appends},
		"an event, and the database is renamed":   {func(ctx context.Context, c *streams.Catalog) error { return c.Rename(ctx, "a", "b", "") }, appends},
		"an event, and its namespace is destroyed": {
			func(ctx context.Context, c *streams.Catalog) error { return c.DestroyNamespace(ctx, "a", "shop") }, appends,
		},
		"an event, and its namespace is renamed": {
			func(ctx context.Context, c *streams.Catalog) error {
				return c.RenameNamespace(ctx, "a", "shop", "mall")
			}, appends,
		},
		"an edit, and a role is granted": {
			func(ctx context.Context, c *streams.Catalog) error { return c.Grant(ctx, "a", "bob", streams.Owner) },
			func(ctx context.Context, c *streams.Catalog) error { return c.DestroyNamespace(ctx, "a", "shop") },
		},
		"a grant, and a role is granted": {
			func(ctx context.Context, c *streams.Catalog) error { return c.Grant(ctx, "a", "bob", streams.Owner) },
			func(ctx context.Context, c *streams.Catalog) error { return c.Grant(ctx, "a", "cid", streams.Owner) },
		},
		"a namespace, and the database is destroyed": {
			func(ctx context.Context, c *streams.Catalog) error { return c.Destroy(ctx, "a", "") },
			func(ctx context.Context, c *streams.Catalog) error { return c.CreateNamespace(ctx, "a", "new") },
		},
		"an annotation, and the database is destroyed": {
			func(ctx context.Context, c *streams.Catalog) error { return c.Destroy(ctx, "a", "") },
			func(ctx context.Context, c *streams.Catalog) error {
				return c.Annotate(ctx, "a", "shop", "new", []byte("1"))
			},
		},
		"a removal, and the same removal": {
			func(ctx context.Context, c *streams.Catalog) error { return c.DestroyEvent(ctx, "a", "shop", "s", "1") },
			func(ctx context.Context, c *streams.Catalog) error { return c.DestroyEvent(ctx, "a", "shop", "s", "1") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := afterChanges(t, tt.first)
			if got := afterChanges(t, tt.first, tt.second); got != want {
				t.Errorf("there is\n%+v, and without the second change\n%+v", got, want)
			}
		})
	}
}

// state is what a log of one database has.
type state struct {
	rows, names int
	events      int64
	bytes       int64
	bob, cid    streams.Role
}

// afterChanges makes changes on two catalogs in turn while nothing is stored, and returns what is there in the end.
func afterChanges(t *testing.T, changes ...func(context.Context, *streams.Catalog) error) (s state) {
	t.Helper()
	engine, err := pebble.Open(pebble.Options{Dir: "data", FS: vfs.NewMem()})
	must(t, err)
	gate := &logtest.Gate{Engine: engine}
	log, err := eventlog.Open(gate, eventlog.Options{WaitLimit: time.Second})
	must(t, err)
	a, err := streams.Open(log, streams.Limits{})
	must(t, err)
	b, err := streams.Open(log, streams.Limits{})
	must(t, err)
	must(t, a.Create(t.Context(), "a", ""))
	must(t, appendTo(a, "a", "shop", "s", "1", true))
	open := gate.Shut()
	for i, change := range changes {
		mustBe(t, change(t.Context(), []*streams.Catalog{a, b}[i]), eventlog.ErrUnknown)
	}
	open()
	barrier(t, log)
	for _, name := range []string{"a", "b"} {
		for a.Edited(name) {
			barrier(t, log)
		}
	}
	rows, bytes := left(t, log, "a", "b")
	s = state{rows: len(rows), names: len(b.Names()), bytes: bytes}
	for _, name := range []string{"a", "b"} {
		held, err := log.State(streams.Space(name))
		must(t, err)
		s.events += held.Count
		s.bob, s.cid = max(s.bob, b.Role(name, "bob")), max(s.cid, b.Role(name, "cid"))
	}
	must(t, log.Close())
	return s
}

// barrier waits until all that waits is stored.
func barrier(t *testing.T, log *eventlog.Log) {
	t.Helper()
	for {
		_, err := log.Append(context.Background(), &eventlog.Request{})
		if !errors.Is(err, eventlog.ErrUnknown) {
			must(t, err)
			return
		}
	}
}
