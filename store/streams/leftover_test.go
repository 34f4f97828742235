package streams_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
	"sluice/store/streams"
)

// openOn opens the catalog of a file system.
func openOn(t *testing.T, fs vfs.FS) (*streams.Catalog, *eventlog.Log) {
	t.Helper()
	engine, err := pebble.Open(pebble.Options{Dir: "data", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := streams.Open(log, streams.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return c, log
}

func put(t *testing.T, c *streams.Catalog, name, id string, data json.RawMessage) {
	t.Helper()
	if _, err := c.Append(context.Background(), name, &streams.Event{ID: id, Type: "t", Stream: "s", Data: data}, true); err != nil {
		t.Fatal(err)
	}
}

// What an interrupted clone leaves behind appears nowhere: neither under the clone's name nor, after a restart, in
// another database.
func TestLeftoverOfClone(t *testing.T) {
	t.Parallel()
	ctx, fs := context.Background(), vfs.NewMem()
	c, log := openOn(t, fs)
	for _, name := range []string{"secret", "mine"} {
		if err := c.Create(ctx, name, ""); err != nil {
			t.Fatal(err)
		}
	}
	put(t, c, "mine", "1", json.RawMessage("{}"))
	// As Clone appends them, page by page.
	e := streams.Event{ID: "2", Type: "t", Stream: "s", Data: json.RawMessage(`"of secret"`)}
	r, err := e.RecordOf(streams.Space("copy"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(ctx, &eventlog.Request{Events: []eventlog.Event{r}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Rename(ctx, "mine", "copy", ""); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	c, log = openOn(t, fs)
	defer log.Close()
	if err := c.Create(ctx, "another", ""); err != nil {
		t.Fatal(err)
	}
	put(t, c, "another", "3", json.RawMessage("{}"))
	for name, want := range map[string]string{"copy": "1", "another": "3"} {
		space := streams.Space(name)
		q := &eventlog.Query{Space: space, Channels: channel.NewSet(channel.Pattern{Space: space})}
		p, err := log.Read(ctx, q, 0, 10)
		if err != nil || len(p.Events) != 1 || p.Events[0].Key != want {
			t.Errorf("%s: %v, %v", name, p.Events, err)
		}
	}
}

// A long clone does not prevent anybody from removing a grant, or a database. That of a database that is gone leaves nothing.
func TestRevokeDuringClone(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c, log := openOn(t, vfs.NewMem())
	defer log.Close()
	for _, name := range []string{"big", "other"} {
		if err := c.Create(ctx, name, "owner"); err != nil {
			t.Fatal(err)
		}
	}
	space := streams.Space("big")
	for page := range 30 {
		var some []eventlog.Event
		for i := range 1000 {
			e := streams.Event{ID: fmt.Sprint(page, "-", i), Type: "t", Stream: "s", Data: json.RawMessage("{}")}
			r, err := e.RecordOf(space)
			if err != nil {
				t.Fatal(err)
			}
			some = append(some, r)
		}
		if _, err := log.Append(ctx, &eventlog.Request{Events: some}); err != nil {
			t.Fatal(err)
		}
	}
	before := log.Settled()
	done := make(chan error, 1)
	go func() { done <- c.Clone(ctx, "big", "copy", "owner") }()
	for log.Settled() == before {
		time.Sleep(time.Millisecond)
	}
	if err := c.Grant(ctx, "other", "owner", streams.None); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Error("the clone was waited for:", err)
		done <- err
	default:
	}
	if err := c.Create(ctx, "copy", ""); err == nil {
		t.Error("the name of the clone could be taken")
	}
	if err := c.Destroy(ctx, "big", "owner"); err != nil {
		t.Fatal(err)
	}
	// Had Destroy waited for the clone, the clone would have succeeded.
	if err := <-done; !errors.Is(err, streams.ErrNoDatabase) {
		t.Errorf("a database was cloned that is destroyed: %v", err)
	}
	rows, bytes := left(t, log, "copy", "big")
	if fmt.Sprint(c.Names()) != "[other]" || len(rows) != 2 || bytes != 0 { // the other database, and the retired name
		t.Errorf("there are %q, with %q and %d bytes", c.Names(), rows, bytes)
	}
	if databases, _, _ := c.Charged("owner"); databases != 1 {
		t.Errorf("%d databases are charged", databases)
	}
}

// Renaming a namespace edits no more at once than fits into one commit, however large its events are.
func TestRenameOfLargeEvents(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	engine, err := pebble.Open(pebble.Options{Dir: "data", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	weighed := &scale{Engine: engine}
	log, err := eventlog.Open(weighed, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c, err := streams.Open(log, streams.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Create(ctx, "a", ""); err != nil {
		t.Fatal(err)
	}
	large := json.RawMessage(`"` + strings.Repeat("x", 60_000) + `"`)
	for i := range 400 { // 24 MB
		put(t, c, "a", fmt.Sprint(i), large)
	}
	if err := c.RenameNamespace(ctx, "a", "", "n"); err != nil {
		t.Fatal(err)
	}
	if weighed.most > 9<<20 {
		t.Errorf("one commit had %d bytes", weighed.most)
	}
	n := "n"
	err = c.Streams(ctx, "a", &n, func(s *streams.Stream) error {
		if s.Size != 400 {
			t.Error(s)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// scale measures the edits of commits.
type scale struct {
	eventlog.Engine
	most int
}

func (s *scale) Commit(g *eventlog.Group) error {
	n := 0
	if g.Edit != nil {
		for i := range g.Edit.Replace {
			n += len(g.Edit.Replace[i].Old.Data) + len(g.Edit.Replace[i].New.Data)
		}
	}
	s.most = max(s.most, n)
	return s.Engine.Commit(g)
}

// A clone whose client has left leaves nothing behind.
func TestCancelledClone(t *testing.T) {
	t.Parallel()
	c, log := openOn(t, vfs.NewMem())
	defer log.Close()
	if err := c.Create(context.Background(), "a", ""); err != nil {
		t.Fatal(err)
	}
	for i := range 3000 {
		put(t, c, "a", fmt.Sprint(i), json.RawMessage("{}"))
	}
	for try := range 50 { // until the client leaves before the clone is done
		to := fmt.Sprint("b", try)
		if cutClone(c, log, to) == nil {
			continue
		}
		state, err := log.State(streams.Space(to))
		if err != nil || state.Count != 0 {
			t.Errorf("%+v, %v", state, err)
		}
		if err := c.Clone(context.Background(), "a", to, ""); err != nil {
			t.Error(err)
		}
		return
	}
	t.Fatal("it was faster each time")
}

// cutClone clones a, and its client leaves once something was copied.
func cutClone(c *streams.Catalog, log *eventlog.Log, to string) error {
	ctx, cancel := context.WithCancel(context.Background())
	before := log.Settled()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for log.Settled() == before && ctx.Err() == nil {
			time.Sleep(100 * time.Microsecond)
		}
		cancel()
	}()
	err := c.Clone(ctx, "a", to, "")
	cancel()
	<-done
	return err
}
