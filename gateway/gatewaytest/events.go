package gatewaytest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"sluice/store/eventlog"
)

// Put publishes without HTTP, in a fraction of the time. It returns the ids.
func (g *Gateway) Put(t *testing.T, events ...eventlog.Event) []string {
	t.Helper()
	for i := range events {
		if events[i].Data == nil {
			events[i].Data = []byte("1")
		}
	}
	first, err := g.Log.Append(context.Background(), &eventlog.Request{Events: events})
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(events))
	for i := range ids {
		ids[i] = fmt.Sprint(first + uint64(i))
	}
	return ids
}

// Events returns n equal events of size bytes.
func Events(n int, name string, size int) []eventlog.Event {
	events := make([]eventlog.Event, n)
	for i := range events {
		events[i] = eventlog.Event{Name: name, Data: []byte(`"` + strings.Repeat("x", size) + `"`)}
	}
	return events
}

// Flood publishes the given number of bytes in events of 50 kB. Use more than the kernel buffers for a client that does
// not read.
func (g *Gateway) Flood(t *testing.T, name string, bytes int) (ids []string) {
	t.Helper()
	const size, batch = 50_000, 8
	for range bytes / size / batch {
		ids = append(ids, g.Put(t, Events(batch, name, size)...)...)
	}
	return ids
}
