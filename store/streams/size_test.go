package streams_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/eventlog/pebble"
	"sluice/store/streams"
)

// mostRequest is the most bytes that one request of the catalog may have.
const mostRequest = 8 << 20

// weighing is an engine that notes the largest group. A request that waits for its answer is a group of its own.
type weighing struct {
	eventlog.Engine
	largest atomic.Int64
}

func (w *weighing) Commit(g *eventlog.Group) error {
	n := 0
	add := func(e *eventlog.Event) {
		n += len(e.Space) + len(e.Name) + len(e.Stream) + len(e.Key) + len(e.Data) + len(e.Meta)
	}
	for i := range g.Events {
		add(&g.Events[i])
	}
	if g.Edit != nil {
		for i := range g.Edit.Remove {
			add(&g.Edit.Remove[i])
		}
		for i := range g.Edit.Replace {
			add(&g.Edit.Replace[i].Old)
			add(&g.Edit.Replace[i].New)
		}
	}
	for _, r := range g.Rows {
		n += len(r.Key) + len(r.Value)
	}
	w.largest.Store(max(w.largest.Load(), int64(n)))
	return w.Engine.Commit(g)
}

// No request of a clone, a new name for a namespace or a removal has more than 8 MiB, however large and many the events,
// their names and their annotations are.
func TestRequestsAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 100)
	for name, tt := range map[string]struct{ events, bytes, annotations, annotation int }{
		"large events": {200, 64<<10 - 7, 0, 0},
		"long names":   {15_000, 1, 0, 0},
		"with rows":    {110, 64 << 10, 200, 50 << 10},
	} {
		for kind, open := range map[string]func() (eventlog.Engine, error){
			"memory": func() (eventlog.Engine, error) { return memory.Open(memory.Options{}), nil },
			"pebble": func() (eventlog.Engine, error) { return pebble.Open(pebble.Options{Dir: "data", FS: vfs.NewMem()}) },
		} {
			t.Run(name+" in "+kind, func(t *testing.T) {
				t.Parallel()
				engine, err := open()
				must(t, err)
				w := &weighing{Engine: engine}
				log, err := eventlog.Open(w, eventlog.Options{WaitLimit: time.Minute}) // a busy machine is no hanging disk
				must(t, err)
				t.Cleanup(func() { must(t, log.Close()) })
				c, err := streams.Open(log, streams.Limits{})
				must(t, err)
				ctx := context.Background()
				must(t, c.Create(ctx, "a", ""))
				must(t, c.CreateNamespace(ctx, "a", long))
				r := &eventlog.Request{}
				for i := range tt.events {
					e := streams.Event{ID: fmt.Sprint(long, i), Type: long, Namespace: long, Stream: long, Data: json.RawMessage(`"` + strings.Repeat("x", tt.bytes) + `"`)}
					record, err := e.RecordOf(streams.Space("a"))
					must(t, err)
					if r.Events = append(r.Events, record); len(r.Events) == 100 || i == tt.events-1 {
						_, err := log.Append(ctx, r)
						must(t, err)
						r = &eventlog.Request{}
					}
				}
				for i := range tt.annotations {
					must(t, c.Annotate(ctx, "a", long, fmt.Sprint("s", i), json.RawMessage(`"`+strings.Repeat("y", tt.annotation)+`"`)))
				}
				for _, step := range []struct {
					name string
					do   func() error
				}{
					{"clone", func() error { return c.Clone(ctx, "a", "b", "") }},
					{"rename", func() error { return c.RenameNamespace(ctx, "a", long, "m"+long) }},
					{"empty", func() error { return c.DestroyNamespace(ctx, "a", "m"+long) }},
				} {
					w.largest.Store(0)
					must(t, step.do())
					if n := w.largest.Load(); n > mostRequest {
						t.Errorf("%s: a request has %d bytes, %d more than allowed", step.name, n, n-mostRequest)
					}
				}
				count := func(name string) (n int) {
					must(t, c.Streams(ctx, name, nil, func(s *streams.Stream) error {
						n += s.Size
						return nil
					}))
					return n
				}
				if n := count("b"); n != tt.events {
					t.Errorf("the clone has %d events of %d", n, tt.events)
				}
				if n := count("a"); n != 0 {
					t.Errorf("%d events are left", n)
				}
			})
		}
	}
}
