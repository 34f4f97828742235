package streams_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/streams"
)

// two opens two catalogs on one log.
func two(t *testing.T) (log *eventlog.Log, a, b *streams.Catalog) {
	t.Helper()
	a, log = openOn(t, vfs.NewMem())
	t.Cleanup(func() { must(t, log.Close()) })
	b, err := streams.Open(log, streams.Limits{})
	must(t, err)
	return log, a, b
}

func appendTo(c *streams.Catalog, name, namespace, stream, id string, create bool) error {
	_, err := c.Append(context.Background(), name, &streams.Event{ID: id, Type: "t", Namespace: namespace, Stream: stream, Data: []byte("{}")}, create)
	return err
}

// TestTwoCatalogs: what one catalog changes is in force in the other at once.
func TestTwoCatalogs(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	log, a, b := two(t)
	var changed []string
	b.OnChange(func(name string) { changed = append(changed, name) })
	// heard waits for the calls, which changes of b do.
	heard := func(want ...string) {
		t.Helper()
		must(t, b.Grant(ctx, "other", "ann", streams.Reader))
		if !slices.Equal(changed, want) {
			t.Errorf("called with %q, want %q", changed, want)
		}
		changed = nil
	}
	must(t, a.Create(ctx, "other", "ann"))
	must(t, a.Create(ctx, "a", "ann"))
	mustBe(t, b.Create(ctx, "a", "bob"), streams.ErrTaken)
	must(t, appendTo(b, "a", "shop", "s", "1", true))
	mustBe(t, appendTo(a, "a", "shop", "s", "1", false), streams.ErrDuplicate)
	must(t, appendTo(a, "a", "shop", "s", "2", false))
	mustBe(t, a.CreateNamespace(ctx, "a", "shop"), streams.ErrTaken)
	heard("other")
	must(t, a.Grant(ctx, "a", "bob", streams.Owner))
	if got := b.Role("a", "bob"); got != streams.Owner {
		t.Errorf("bob is %s", got)
	}
	heard("a")
	must(t, a.RenameNamespace(ctx, "a", "shop", "mall"))
	if _, err := b.Event(ctx, "a", "mall", "s", "1"); err != nil || b.HasNamespace("a", "shop") {
		t.Errorf("the namespace has its old name: %v", err)
	}
	heard("a")
	must(t, a.Annotate(ctx, "a", "mall", "s", []byte("1")))
	must(t, b.Annotate(ctx, "a", "mall", "s", []byte("22")))
	must(t, b.DestroyNamespace(ctx, "a", "mall"))
	mustBe(t, appendTo(a, "a", "mall", "s", "3", false), streams.ErrMayNot)
	heard("a")
	must(t, appendTo(a, "a", "", "s", "4", false))
	must(t, a.DestroyEvent(ctx, "a", "", "s", "4"))
	mustBe(t, b.DestroyEvent(ctx, "a", "", "s", "4"), streams.ErrNoEvent)
	must(t, a.Rename(ctx, "a", "b", "ann"))
	mustBe(t, appendTo(b, "a", "", "s", "5", false), streams.ErrNoDatabase)
	mustBe(t, b.Create(ctx, "a", "bob"), streams.ErrTaken) // the name is retired
	must(t, appendTo(b, "b", "", "s", "5", false))
	heard("a")
	must(t, a.Destroy(ctx, "b", "ann"))
	mustBe(t, b.Destroy(ctx, "b", ""), streams.ErrNoDatabase)
	mustBe(t, appendTo(b, "b", "", "s", "6", false), streams.ErrNoDatabase)
	must(t, b.Destroy(ctx, "other", ""))
	for _, c := range []*streams.Catalog{a, b} {
		if databases, bytes, retired := c.Charged("ann"); databases != 0 || bytes != 0 || retired != 2 || len(c.Names()) != 0 {
			t.Errorf("%q are left; ann is charged for %d, %d, %d", c.Names(), databases, bytes, retired)
		}
	}
	if rows, bytes := left(t, log, "a", "b", "other"); len(rows) != 3 || bytes != 0 { // the retired names
		t.Errorf("there are %q and %d bytes", rows, bytes)
	}
}

// TestSameNameOnBoth: of two catalogs that make, rename to or destroy the same name, one succeeds.
func TestSameNameOnBoth(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	log, a, b := two(t)
	for round := range 100 {
		name, from, both := fmt.Sprint("n", round), fmt.Sprint("from", round), []*streams.Catalog{a, b}
		must(t, a.Create(ctx, from, ""))
		must(t, try(a, from, "1", 1))
		var group sync.WaitGroup
		made := [4]error{}
		group.Go(func() { made[0] = a.Create(ctx, name, "ann") })
		group.Go(func() { made[1] = b.Create(ctx, name, "bob") })
		group.Go(func() { made[2] = a.Rename(ctx, from, name, "") })
		group.Go(func() { made[3] = b.Clone(ctx, from, name, "") })
		group.Wait()
		n := 0
		for i, err := range made {
			switch {
			case err == nil:
				n++
			case !errors.Is(err, streams.ErrTaken) && (i != 3 || !errors.Is(err, streams.ErrNoDatabase)):
				t.Fatalf("%d: %v", i, err)
			}
		}
		if n != 1 || a.Role(name, "ann") != b.Role(name, "ann") || (a.Role(name, "ann") == streams.Owner) != (made[0] == nil) {
			t.Fatalf("made %d times: %v", n, made)
		}
		copied := made[2] == nil || made[3] == nil
		if _, err := b.Event(ctx, name, "", "s", "1"); (err == nil) != copied {
			t.Fatalf("the event of the database: %v, made: %v", err, made)
		}
		gone := [2]error{}
		for i, c := range both {
			group.Go(func() { gone[i] = c.Destroy(ctx, name, "") })
		}
		group.Wait()
		if (gone[0] == nil) == (gone[1] == nil) || !errors.Is(errors.Join(gone[:]...), streams.ErrNoDatabase) {
			t.Fatalf("destroyed: %v", gone)
		}
	}
	checkSame(t, log, a, b)
}

// checkSame checks that two catalogs, and one that is opened now, agree, and that all rows and events belong to them.
func checkSame(t *testing.T, log *eventlog.Log, a, b *streams.Catalog) {
	t.Helper()
	anew, err := streams.Open(log, streams.Limits{})
	must(t, err)
	for _, c := range []*streams.Catalog{a, b} {
		if !slices.Equal(c.Names(), anew.Names()) {
			t.Errorf("there are %q, and after a restart %q", c.Names(), anew.Names())
		}
		for _, name := range c.Names() {
			one, err := c.Namespaces(t.Context(), name)
			must(t, err)
			if other, err := anew.Namespaces(t.Context(), name); err != nil || !slices.Equal(one, other) {
				t.Errorf("%s has %q, and after a restart %q: %v", name, one, other, err)
			}
			if got, want := c.Recounted(name), anew.Held(name); got != want {
				t.Errorf("%s is said to hold %d bytes, and holds %d", name, got, want)
			}
			must(t, c.Streams(t.Context(), name, nil, func(s *streams.Stream) error {
				if !c.HasNamespace(name, s.Namespace) {
					t.Errorf("%s: the namespace of %q, %q, does not exist", name, s.ID, s.Namespace)
				}
				return nil
			}))
		}
		for _, who := range []string{"ann", "bob"} {
			databases, bytes, retired := c.Charged(who)
			if d, n, r := anew.Charged(who); d != databases || n != bytes || r != retired {
				t.Errorf("%s is charged for %d, %d, %d, and after a restart for %d, %d, %d", who, databases, bytes, retired, d, n, r)
			}
		}
	}
}

// TestRacesOfTwoCatalogs: while two catalogs make, destroy, rename and edit databases and namespaces, every event whose
// append succeeded is there, unless it was destroyed with its database, namespace or stream. None is anywhere else.
func TestRacesOfTwoCatalogs(t *testing.T) {
	t.Parallel()
	for kind, destroying := range map[string]bool{"with renames": false, "with removals": true} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			log, a, b := two(t)
			races{log: log, both: []*streams.Catalog{a, b}, destroying: destroying}.run(t)
		})
	}
}

type races struct {
	log        *eventlog.Log
	both       []*streams.Catalog
	destroying bool
}

// usual are the errors of changes that come too late.
func usual(err error) bool {
	for _, one := range []error{streams.ErrTaken, streams.ErrNoDatabase, streams.ErrNoNamespace, streams.ErrNoStream, streams.ErrNoEvent, streams.ErrMayNot} {
		if errors.Is(err, one) {
			return true
		}
	}
	return err == nil
}

// change makes a change.
func (r races) change(ctx context.Context, c *streams.Catalog) error {
	name := func() string { return fmt.Sprint("d", rand.IntN(3)) }
	namespace := func() string { return fmt.Sprint("n", rand.IntN(3)) }
	switch n := rand.IntN(10); {
	case n < 2:
		return c.Create(ctx, name(), "ann")
	case n < 4:
		return c.RenameNamespace(ctx, name(), namespace(), namespace())
	case n < 5:
		return c.CreateNamespace(ctx, name(), namespace())
	case n < 6:
		return c.Annotate(ctx, name(), namespace(), "s", []byte(`"x"`))
	case n < 7:
		return c.Rename(ctx, name(), name(), "ann")
	case n < 8:
		return c.Grant(ctx, name(), "bob", streams.Role(rand.IntN(5)))
	case !r.destroying:
		return nil
	case n < 9:
		return c.DestroyNamespace(ctx, name(), namespace())
	case rand.IntN(2) == 0:
		return c.DestroyStream(ctx, name(), namespace(), "s")
	}
	return c.Destroy(ctx, name(), "ann")
}

func (r races) run(t *testing.T) {
	ctx := t.Context()
	var group sync.WaitGroup
	var mu sync.Mutex
	stored := map[string]bool{}
	for w := range 6 {
		c := r.both[w%2]
		group.Go(func() {
			for i := range 150 {
				id := fmt.Sprint(w, "-", i)
				err := appendTo(c, fmt.Sprint("d", rand.IntN(3)), fmt.Sprint("n", rand.IntN(3)), "s", id, i%2 == 0)
				if !usual(err) {
					t.Errorf("append: %v", err)
				}
				if err == nil {
					mu.Lock()
					stored[id] = true
					mu.Unlock()
				}
			}
		})
		group.Go(func() {
			for range 60 {
				if err := r.change(ctx, c); !usual(err) {
					t.Errorf("change: %v", err)
				}
			}
		})
	}
	group.Wait()
	found := map[string]int{}
	for _, name := range r.both[0].Names() {
		p, err := r.log.Read(ctx, streams.Query(name), 0, 10_000)
		must(t, err)
		for i := range p.Events {
			found[p.Events[i].Key]++
		}
	}
	for id, n := range found {
		if n != 1 || !stored[id] {
			t.Errorf("event %s is there %d times, and was stored: %t", id, n, stored[id])
		}
	}
	if len(found) < len(stored) && !r.destroying {
		t.Errorf("%d of %d events are there", len(found), len(stored))
	}
	checkSame(t, r.log, r.both[0], r.both[1])
}

// TestEditGoesOn: an edit that its catalog cannot finish is finished by the next catalog that is opened, and by one whose
// append waits for it.
func TestEditGoesOn(t *testing.T) {
	t.Parallel()
	for who, end := range map[string]func(t *testing.T, log *eventlog.Log, b *streams.Catalog){
		"by an append": func(t *testing.T, _ *eventlog.Log, b *streams.Catalog) {
			must(t, appendTo(b, "a", "shop", "s", "2", true))
		},
		"by a start": func(t *testing.T, log *eventlog.Log, _ *streams.Catalog) {
			ended := rowChanges(t, log, "db/d/a")
			_, err := streams.Open(log, streams.Limits{})
			must(t, err)
			<-ended
		},
	} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
			must(t, err)
			b, err := streams.Open(log, streams.Limits{})
			must(t, err)
			must(t, b.Create(t.Context(), "a", "ann"))
			must(t, appendTo(b, "a", "shop", "s", "1", true))
			must(t, b.Annotate(t.Context(), "a", "shop", "s", []byte("1")))
			// As a catalog leaves it that was killed after the first commit.
			row, err := log.Row("db/d/a")
			must(t, err)
			edited := strings.TrimSuffix(string(row), "}") + `,"version":1,"edit":{"id":"X","by":"another","ns":"shop"},"later":[1]}`
			id := strings.Split(string(row), `"`)[3]
			_, err = log.Append(t.Context(), &eventlog.Request{Rows: []eventlog.Row{{Key: "db/d/a", Value: []byte(edited)}, {Key: "db/n/" + id + "/shop"}}})
			must(t, err)
			end(t, log, b)
			if _, err := b.Event(t.Context(), "a", "shop", "s", "1"); !errors.Is(err, streams.ErrNoEvent) {
				t.Errorf("the event is left: %v", err)
			}
			if _, err := b.Annotation("a", "shop", "s"); !errors.Is(err, streams.ErrNoAnnotation) {
				t.Errorf("the annotation is left: %v", err)
			}
			if row, err := log.Row("db/d/a"); err != nil || b.Edited("a") || !strings.Contains(string(row), `"later":[1]`) {
				t.Errorf("the row is %s, %v", row, err)
			}
			must(t, log.Close())
		})
	}
}
