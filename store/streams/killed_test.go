package streams_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
	"sluice/store/streams"
)

// dying is an engine that stores nothing any more after some commits, as when the process was killed then.
type dying struct {
	*pebble.Engine
	after int
}

func (d *dying) Commit(group *eventlog.Group) error {
	if d.after--; d.after < 0 {
		return errors.New("killed")
	}
	return d.Engine.Commit(group)
}

// What is stored of a clone when the process is killed is dropped at the next start, after whichever of its commits that is.
func TestKilledClone(t *testing.T) {
	t.Parallel()
	ctx, fs := context.Background(), vfs.NewMem()
	c, log := openOn(t, fs)
	must(t, c.Create(ctx, "a", "ann"))
	must(t, try(c, "a", "1", 1))
	must(t, c.CreateNamespace(ctx, "a", "shop"))
	must(t, c.Annotate(ctx, "a", "shop", "s", []byte("1")))
	before, _ := left(t, log)
	must(t, log.Close())
	partly := false
	for commits := 0; ; commits++ {
		engine, err := pebble.Open(pebble.Options{Dir: "data", FS: fs})
		must(t, err)
		killed := &dying{engine, math.MaxInt}
		log, err = eventlog.Open(killed, eventlog.Options{WaitLimit: 500 * time.Millisecond})
		must(t, err)
		c, err = streams.Open(log, streams.Limits{})
		must(t, err)
		killed.after = commits
		done := c.Clone(ctx, "a", "copy", "ann") == nil
		names, bytes := []string{"copy"}, int64(0)
		rows, _ := left(t, log)
		for _, row := range rows {
			if name, is := strings.CutPrefix(row, "db/c/"); is {
				names = append(names, name)
			}
		}
		_, bytes = left(t, log, names...)
		partly = partly || bytes > 0 && !done
		_ = log.Close() // which the engine may refuse
		c, log = openOn(t, fs)
		if done {
			break
		}
		if rows, bytes := left(t, log, names...); fmt.Sprint(rows) != fmt.Sprint(before) || bytes != 0 {
			t.Errorf("killed after %d commits: there are %q and %d bytes", commits, rows, bytes)
		}
		must(t, log.Close())
	}
	if !partly || !c.Exists("copy") || c.Held("copy") == 0 {
		t.Errorf("it was never killed when some events were stored, or it was never done: %q", c.Names())
	}
	must(t, log.Close())
}

// What is left of a clone takes nothing from a database that was made under its name since.
func TestKilledCloneOfAnothersName(t *testing.T) {
	t.Parallel()
	ctx, fs := context.Background(), vfs.NewMem()
	c, log := openOn(t, fs)
	_, err := log.Append(ctx, &eventlog.Request{Rows: []eventlog.Row{
		{Key: "db/c/copy", Value: []byte("ID")}, {Key: "db/n/ID/shop", Value: []byte{}}, {Key: "db/a/ID/s", Value: []byte(`{"stream":"s","annotation":1}`)},
	}})
	must(t, err)
	must(t, c.Create(ctx, "copy", "ben"))
	must(t, try(c, "copy", "1", 1))
	must(t, c.CreateNamespace(ctx, "copy", "own"))
	held := c.Held("copy")
	for range 2 {
		must(t, log.Close())
		c, log = openOn(t, fs)
		rows, _ := left(t, log)
		if got := c.Held("copy"); got != held || len(rows) != 2 {
			t.Errorf("it holds %d bytes, %d before; there are %q", got, held, rows)
		}
	}
	must(t, log.Close())
}
