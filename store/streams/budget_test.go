package streams_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/streams"
)

// openWithin opens the catalog of a file system with bounds.
func openWithin(t *testing.T, fs vfs.FS, l streams.Limits) (*streams.Catalog, *eventlog.Log) {
	t.Helper()
	c, log := openOn(t, fs)
	c.SetLimits(l)
	return c, log
}

func try(c *streams.Catalog, name, id string, bytes int) error {
	e := streams.Event{ID: id, Type: "t", Stream: "s", Data: json.RawMessage(`"` + strings.Repeat("x", bytes) + `"`)}
	_, err := c.Append(context.Background(), name, &e, true)
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustBe(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// left returns all rows of databases, and the bytes of the spaces with these names.
func left(t *testing.T, log *eventlog.Log, names ...string) (rows []string, bytes int64) {
	t.Helper()
	must(t, log.Rows("db/", func(r eventlog.Row) error {
		rows = append(rows, r.Key)
		return nil
	}))
	for _, name := range names {
		state, err := log.State(streams.Space(name))
		must(t, err)
		bytes += state.Bytes
	}
	return rows, bytes
}

// An account makes as many databases as allowed, in whatever way, before and after a restart. Root's are not counted.
func TestDatabasesOfAnAccount(t *testing.T) {
	t.Parallel()
	ctx, fs, limits := context.Background(), vfs.NewMem(), streams.Limits{Databases: 3}
	c, log := openWithin(t, fs, limits)
	must(t, c.Create(ctx, "a", "ann"))
	must(t, c.Create(ctx, "b", "ann"))
	must(t, c.Clone(ctx, "a", "c", "ann"))
	mustBe(t, c.Create(ctx, "d", "ann"), streams.ErrTooMany)
	mustBe(t, c.Clone(ctx, "a", "d", "ann"), streams.ErrTooMany)
	must(t, c.Grant(ctx, "a", "bob", streams.Owner)) // ann stays charged
	must(t, c.Rename(ctx, "a", "a2", "bob"))
	mustBe(t, c.Create(ctx, "d", "ann"), streams.ErrTooMany)
	must(t, c.Create(ctx, "r", ""))
	must(t, c.Create(ctx, "x", "bob"))
	for range 2 {
		must(t, log.Close())
		c, log = openWithin(t, fs, limits)
		mustBe(t, c.Create(ctx, "d", "ann"), streams.ErrTooMany)
	}
	must(t, c.Destroy(ctx, "b", ""))
	must(t, c.Create(ctx, "d", "ann"))
	mustBe(t, c.Create(ctx, "e", "ann"), streams.ErrTooMany)
	must(t, log.Close())
}

// A database takes exactly as many bytes as allowed. What is removed makes room.
func TestBytesOfADatabase(t *testing.T) {
	t.Parallel()
	ctx, fs := context.Background(), vfs.NewMem()
	c, log := openWithin(t, fs, streams.Limits{})
	must(t, c.Create(ctx, "a", "ann"))
	must(t, try(c, "a", "1", 1000))
	one := c.Held("a")
	limits := streams.Limits{DatabaseBytes: 10 * one}
	c.SetLimits(limits)
	for i := 2; i <= 9; i++ {
		must(t, try(c, "a", fmt.Sprint(i), 1000))
	}
	mustBe(t, try(c, "a", "x", 1001), streams.ErrFull)
	must(t, try(c, "a", "x", 1000))
	mustBe(t, try(c, "a", "y", 1), streams.ErrFull)
	mustBe(t, c.Annotate(ctx, "a", "", "s", []byte("{}")), streams.ErrFull)
	mustBe(t, c.CreateNamespace(ctx, "a", "n"), streams.ErrFull)
	mustBe(t, c.RenameNamespace(ctx, "a", "", strings.Repeat("n", 60)), streams.ErrFull)
	mustBe(t, try(c, "a", "1", 1), streams.ErrFull)
	must(t, log.Close())
	c, log = openWithin(t, fs, limits)
	mustBe(t, try(c, "a", "y", 1), streams.ErrFull)
	if got := c.Held("a"); got != 10*one {
		t.Errorf("it holds %d, want %d", got, 10*one)
	}
	must(t, c.DestroyEvent(ctx, "a", "", "s", "3"))
	must(t, try(c, "a", "y", 1000))
	mustBe(t, try(c, "a", "z", 1), streams.ErrFull)
	must(t, c.Truncate(ctx, "a", ""))
	if got := c.Held("a"); got != 0 {
		t.Errorf("it holds %d when it is empty", got)
	}
	must(t, try(c, "a", "z", 1000))
	must(t, log.Close())
}

// A clone that would exceed a bound leaves nothing behind: no event, no row, no name.
func TestCloneOverTheBound(t *testing.T) {
	t.Parallel()
	ctx, fs := context.Background(), vfs.NewMem()
	c, log := openWithin(t, fs, streams.Limits{})
	must(t, c.Create(ctx, "a", "ann"))
	for i := range 50 {
		must(t, try(c, "a", fmt.Sprint(i), 100))
	}
	must(t, c.CreateNamespace(ctx, "a", "n"))
	must(t, c.Annotate(ctx, "a", "n", "s", []byte(`{"of":"a"}`)))
	// There is room for a second database of this size, but not for the times that its copies also have.
	limits := streams.Limits{AccountBytes: 2*c.Held("a") + 10}
	c.SetLimits(limits)
	before, _ := left(t, log)
	for range 2 {
		mustBe(t, c.Clone(ctx, "a", "b", "ann"), streams.ErrFull)
		if rows, bytes := left(t, log, "b"); len(rows) != len(before) || bytes != 0 {
			t.Errorf("there are %q and %d bytes", rows, bytes)
		}
		if databases, bytes, _ := c.Charged("ann"); databases != 1 || bytes != c.Held("a") {
			t.Error(databases, bytes)
		}
		must(t, log.Close())
		c, log = openWithin(t, fs, limits)
	}
	must(t, c.Grant(ctx, "a", "bob", streams.Owner))
	must(t, c.Clone(ctx, "a", "b", "bob")) // bob is charged himself
	must(t, c.Clone(ctx, "a", "r", ""))
	must(t, log.Close())
}

// Many appends and clones at the same time do not exceed the bounds of an account by a byte.
func TestBoundsUnderConcurrency(t *testing.T) {
	t.Parallel()
	ctx, fs := context.Background(), vfs.NewMem()
	c, log := openWithin(t, fs, streams.Limits{})
	must(t, c.Create(ctx, "a", "ann"))
	must(t, try(c, "a", "0", 1000))
	one := c.Held("a")
	must(t, c.Create(ctx, "empty", "bob"))
	limits := streams.Limits{Databases: 4, DatabaseBytes: 50 * one, AccountBytes: 120 * one}
	c.SetLimits(limits)
	var group sync.WaitGroup
	var cloned, stored, ofBob atomic.Int64
	for i := range 20 {
		group.Go(func() {
			if c.Clone(ctx, "a", fmt.Sprint("c", i), "ann") == nil {
				cloned.Add(1)
			}
		})
		group.Go(func() {
			for j := range 10 {
				if err := try(c, "a", fmt.Sprint(i, "-", j), 1000); err == nil {
					stored.Add(1)
				} else if !errors.Is(err, streams.ErrFull) {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	for i := range 20 {
		for _, make := range []func() error{
			func() error { return c.Clone(ctx, "empty", fmt.Sprint("e", i), "bob") },
			func() error { return c.Create(ctx, fmt.Sprint("f", i), "bob") },
		} {
			group.Go(func() {
				if make() == nil {
					ofBob.Add(1)
				}
			})
		}
	}
	group.Wait()
	if ofBob.Load() != 3 || cloned.Load() > 3 {
		t.Errorf("%d were made by bob, %d by ann", ofBob.Load(), cloned.Load())
	}
	if stored.Load() > 49 || c.Held("a") > limits.DatabaseBytes {
		t.Errorf("%d events are %d bytes", stored.Load(), c.Held("a"))
	}
	databases, bytes, _ := c.Charged("ann")
	if databases != 1+int(cloned.Load()) || bytes > limits.AccountBytes {
		t.Errorf("%d databases with %d bytes, over %d", databases, bytes, limits.AccountBytes)
	}
	must(t, log.Close())
	c, log = openWithin(t, fs, limits)
	if d, b, _ := c.Charged("ann"); d != databases || b != bytes {
		t.Errorf("%d, %d after a restart, before %d, %d", d, b, databases, bytes)
	}
	must(t, log.Close())
}

// A name that was given up may be used by root, and by the account that had made the database and gave up the name
// itself. There is no other way to get the name, before or after a restart.
func TestRetiredNames(t *testing.T) {
	t.Parallel()
	ctx, fs := context.Background(), vfs.NewMem()
	c, log := openOn(t, fs)
	for name, maker := range map[string]string{"root-renamed": "ann", "root-destroyed": "ann", "of-root": "", "own-renamed": "ann", "own-destroyed": "ann", "by-another": "ann"} {
		must(t, c.Create(ctx, name, maker))
	}
	must(t, c.Create(ctx, "bob", "bob"))
	must(t, c.Create(ctx, "ann", "ann"))
	must(t, c.Grant(ctx, "of-root", "ann", streams.Owner))
	must(t, c.Grant(ctx, "by-another", "bob", streams.Owner))
	must(t, c.Rename(ctx, "root-renamed", "x1", ""))
	must(t, c.Destroy(ctx, "root-destroyed", ""))
	must(t, c.Rename(ctx, "of-root", "x2", "ann"))
	must(t, c.Rename(ctx, "own-renamed", "x3", "ann"))
	must(t, c.Destroy(ctx, "own-destroyed", "ann"))
	must(t, c.Destroy(ctx, "by-another", "bob"))
	for round := range 2 {
		for _, name := range []string{"root-renamed", "root-destroyed", "of-root", "own-renamed", "own-destroyed", "by-another"} {
			for _, who := range []string{"ann", "bob"} {
				if who == "ann" && strings.HasPrefix(name, "own-") {
					continue
				}
				mustBe(t, c.Create(ctx, name, who), streams.ErrTaken)
				mustBe(t, c.Rename(ctx, who, name, who), streams.ErrTaken)
				mustBe(t, c.Clone(ctx, who, name, who), streams.ErrTaken)
			}
		}
		if round == 0 {
			must(t, log.Close())
			c, log = openOn(t, fs)
		}
	}
	must(t, c.Create(ctx, "own-renamed", "ann"))
	must(t, c.Clone(ctx, "ann", "own-destroyed", "ann"))
	must(t, c.Create(ctx, "root-renamed", ""))
	must(t, c.Rename(ctx, "bob", "by-another", ""))
	must(t, log.Close())
	c, log = openOn(t, fs)
	mustBe(t, c.Create(ctx, "own-renamed", "bob"), streams.ErrTaken)
	mustBe(t, c.Create(ctx, "bob", "bob"), streams.ErrTaken) // root gave it up
	if _, _, retired := c.Charged("ann"); retired != 1 {     // of-root
		t.Errorf("%d names", retired)
	}
	must(t, log.Close())
}

// What the catalog has in memory has bounds of its own: names of namespaces, and annotations.
func TestBoundsOfMemory(t *testing.T) {
	t.Parallel()
	ctx, fs := context.Background(), vfs.NewMem()
	c, log := openOn(t, fs)
	must(t, c.Create(ctx, "a", "ann"))
	must(t, c.Create(ctx, "b", "ann"))
	for i := range 1024 {
		must(t, c.CreateNamespace(ctx, "a", fmt.Sprintf("%1024d", i)))
	}
	one := streams.Event{ID: "1", Type: "t", Namespace: "n", Stream: "s", Data: json.RawMessage("1")}
	large := []byte(`"` + strings.Repeat("x", 12<<20) + `"`)
	for i := range 5 {
		must(t, c.Annotate(ctx, "b", "", fmt.Sprint(i), large))
	}
	for range 2 {
		mustBe(t, c.CreateNamespace(ctx, "a", "n"), streams.ErrTooMany)
		_, err := c.Append(ctx, "a", &one, true)
		mustBe(t, err, streams.ErrTooMany)
		mustBe(t, c.Annotate(ctx, "b", "", "5", large), streams.ErrFull)
		must(t, c.Annotate(ctx, "b", "", "4", large))
		must(t, log.Close())
		c, log = openOn(t, fs)
	}
	must(t, c.DestroyNamespace(ctx, "a", fmt.Sprintf("%1024d", 7)))
	must(t, c.CreateNamespace(ctx, "a", "n"))
	must(t, c.Annotate(ctx, "b", "", "4", nil))
	must(t, c.Annotate(ctx, "b", "", "5", large))
	must(t, c.Clone(ctx, "b", "c", "ann"))
	text, err := c.Annotation("c", "", "5")
	if err != nil || len(text) != len(large) {
		t.Error(len(text), err)
	}
	must(t, log.Close())
}

// If an event may be in too many streams, the search does not look at all of them.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c, log := openOn(t, vfs.NewMem())
	defer log.Close()
	must(t, c.Create(ctx, "a", "ann"))
	for i := range 20 {
		must(t, c.CreateNamespace(ctx, "a", fmt.Sprint(i)))
	}
	_, err := c.Position(ctx, "a", nil, "", strings.Repeat(".", 400))
	mustBe(t, err, streams.ErrNoEvent)
	_, err = c.Position(ctx, "a", nil, "", strings.Repeat(".", 1024))
	mustBe(t, err, streams.ErrTooMany)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, err = c.Position(gone, "a", nil, "", "a.b")
	mustBe(t, err, context.Canceled)
}

// Names that were given up are remembered, so each account may give up only a bounded number, in whatever way.
func TestRetiredNamesAreBounded(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c, log := openOn(t, vfs.NewMem())
	defer log.Close()
	must(t, c.Create(ctx, "0", "ann"))
	for i := range 10_000 {
		must(t, c.Rename(ctx, fmt.Sprint(i), fmt.Sprint(i+1), "ann"))
	}
	mustBe(t, c.Rename(ctx, "10000", "10001", "ann"), streams.ErrTooMany)
	mustBe(t, c.Create(ctx, "x", "ann"), streams.ErrTooMany)
	mustBe(t, c.Clone(ctx, "10000", "x", "ann"), streams.ErrTooMany)
	must(t, c.Create(ctx, "x", "bob"))
	must(t, c.Rename(ctx, "10000", "5", "")) // root uses one of them again
	must(t, c.Create(ctx, "y", "ann"))
	must(t, c.Destroy(ctx, "y", "ann"))
}
