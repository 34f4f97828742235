package pebble_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
)

// Nothing is left of a dropped space, however large it was. Its neighbours lose nothing.
func TestDropKeyed(t *testing.T) {
	t.Parallel()
	o := &opener{fs: vfs.NewMem()}
	log, err := eventlog.Open(o.Open(t, logtest.Config{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	sizes := map[string]int{"$room/a": 3, "$room/b": 2500, "$room/c": 5, "$room/d": 1000}
	names := []string{"$room/a", "$room/c", "$room/d", "$room/b"}
	logtest.MakeKeyed(t, log, names...)
	for _, name := range names {
		r := &eventlog.Request{}
		for i := range sizes[name] {
			r.Events = append(r.Events, eventlog.Event{Space: name, Name: "push", Op: eventlog.Append, Key: fmt.Sprint(i % 7), Data: []byte("1")})
		}
		if _, err := log.Append(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	check := func() {
		t.Helper()
		for _, name := range names {
			n := 0
			if _, err := log.Keyed(ctx, name, nil, func(eventlog.Event) error { n++; return nil }); err != nil || n != sizes[name] {
				t.Errorf("%s has %d entries, want %d: %v", name, n, sizes[name], err)
			}
		}
	}
	check()
	for _, some := range [][]string{{"$room/b"}, {"$room/a", "$room/d", "$room/none"}} {
		if err := logtest.DropKeyed(log, some...); err != nil {
			t.Fatal(err)
		}
		for _, name := range some {
			sizes[name] = 0
		}
		check()
	} // After a restart a new space may get the dropped one's number, but none of its entries.
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if log, err = eventlog.Open(o.Open(t, logtest.Config{}), eventlog.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"$room/e", "$room/f"} {
		names, sizes[name] = append(names, name), 1
		logtest.MakeKeyed(t, log, name)
		if _, err := log.Append(ctx, &eventlog.Request{Events: []eventlog.Event{{Space: name, Name: "push", Op: eventlog.Append, Key: "0", Data: []byte("1")}}}); err != nil {
			t.Fatal(err)
		}
	}
	check()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}
