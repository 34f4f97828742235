package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"testing"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

func openMemory(t *testing.T) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

func rowsOf(keys ...string) (rows []eventlog.Row) {
	for _, key := range keys {
		rows = append(rows, eventlog.Row{Key: key, Value: []byte("1")})
	}
	return rows
}

func change(t *testing.T, log *eventlog.Log, r *eventlog.Request) {
	t.Helper()
	if _, err := log.Append(context.Background(), r); err != nil {
		t.Fatal(err)
	}
}

// TestFollow: a follower gets the rows that are there, then each change before its sender gets the answer.
func TestFollow(t *testing.T) {
	t.Parallel()
	log := openMemory(t)
	change(t, log, &eventlog.Request{Rows: rowsOf("a/1", "a/2", "b/1")})
	var got []string
	err := log.Follow("a/", func(c eventlog.Changes) {
		for _, prefix := range c.Dropped {
			got = append(got, "drop "+prefix)
		}
		for _, r := range c.Rows {
			got = append(got, r.Key+"="+string(r.Value))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	change(t, log, &eventlog.Request{Rows: rowsOf("a/3", "b/2")})
	change(t, log, &eventlog.Request{Rows: []eventlog.Row{{Key: "a/1"}}})
	change(t, log, &eventlog.Request{Edit: &eventlog.Edit{DropRows: []string{"a/2", "b/"}}, Rows: rowsOf("a/4")})
	change(t, log, &eventlog.Request{Edit: &eventlog.Edit{DropRows: []string{""}}})
	if _, err := log.Append(context.Background(), &eventlog.Request{Rows: rowsOf("a/5"), If: []eventlog.Condition{eventlog.RowIs("x", []byte("1"))}}); !errors.Is(err, eventlog.ErrRow) {
		t.Fatal(err)
	}
	want := []string{"a/1=1", "a/2=1", "a/3=1", "a/1=", "drop a/2", "a/4=1", "drop "}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestFollowMade: a follower learns how many keyed spaces are there, and how many each commit has made.
func TestFollowMade(t *testing.T) {
	t.Parallel()
	log := openMemory(t)
	ctx := context.Background()
	first := errors.Join(log.Create(ctx, "$room/a"), log.Create(ctx, "$room/b"))
	change(t, log, &eventlog.Request{Rows: rowsOf("a/1")})
	made := map[string]int{}
	for _, prefix := range []string{"", "keyed/", "keyed/$room/c", "a/"} {
		first = errors.Join(first, log.Follow(prefix, func(c eventlog.Changes) { made[prefix] += c.Made }))
	}
	if first != nil {
		t.Fatal(first)
	}
	push := eventlog.Event{Space: "$room/c", Name: "push", Op: eventlog.Append, Key: "k", Data: []byte("1")}
	s, _, err := log.KeyedSpace("$room/a")
	for _, step := range []struct{ got, want error }{
		{err, nil},
		{log.Create(ctx, "$room/a"), eventlog.ErrRow}, // it exists
		{log.Touch(ctx, s), nil},
		{log.Create(ctx, "$room/c"), nil},
		{log.Create(ctx, "$room/d"), nil},
	} {
		if !errors.Is(step.got, step.want) {
			t.Fatal(step.got)
		}
	}
	change(t, log, &eventlog.Request{Events: []eventlog.Event{push}})
	if want := map[string]int{"": 4, "keyed/": 4, "keyed/$room/c": 1, "a/": 0}; !maps.Equal(made, want) {
		t.Errorf("got %v, want %v", made, want)
	}
}

// TestDerive: derived rows are stored with what they derive from. They see the requests before, also those of the same
// commit.
func TestDerive(t *testing.T) {
	t.Parallel()
	log := openMemory(t)
	log.Derive("a/", func(read func(string) ([]byte, error), changes []eventlog.Derived) ([]eventlog.Row, error) {
		value, err := read("count")
		if err != nil {
			return nil, err
		}
		n, _ := strconv.Atoi(string(value))
		for _, c := range changes {
			n += len(c.Is) - len(c.Was)
		}
		return []eventlog.Row{{Key: "count", Value: strconv.AppendInt(nil, int64(n), 10)}}, nil
	})
	var followed []byte
	if err := log.Follow("count", func(c eventlog.Changes) { followed = c.Rows[len(c.Rows)-1].Value }); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 50)
	for i := range cap(done) {
		go func() {
			_, err := log.Append(context.Background(), &eventlog.Request{Rows: rowsOf("a/" + strconv.Itoa(i))})
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	change(t, log, &eventlog.Request{Rows: []eventlog.Row{{Key: "a/7"}, {Key: "a/8", Value: []byte("22")}, {Key: "a/none"}}})
	value, err := log.Row("count")
	if err != nil || string(value) != "50" || !bytes.Equal(value, followed) {
		t.Errorf("counted %q, followed %q, %v", value, followed, err)
	}
}

// TestLocal: what Local stores is not seen in the middle of a commit, and followers see it.
func TestLocal(t *testing.T) {
	t.Parallel()
	log := openMemory(t)
	change(t, log, &eventlog.Request{Rows: rowsOf("a/1", "old/1")})
	var followed []string
	if err := log.Follow("copy/", func(c eventlog.Changes) {
		for _, r := range c.Rows {
			followed = append(followed, r.Key)
		}
	}); err != nil {
		t.Fatal(err)
	}
	before := log.Settled()
	err := log.Local(func(now eventlog.Lookup) ([]eventlog.Row, []string, error) {
		value, err := now.Row("a/1")
		return []eventlog.Row{{Key: "copy/1", Value: value}}, []string{"old/"}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	value, _ := log.Row("copy/1")
	old, _ := log.Row("old/1")
	if string(value) != "1" || old != nil || !slices.Equal(followed, []string{"copy/1"}) || log.Settled() != before {
		t.Errorf("copy %q, old %q, followed %q, settled %d → %d", value, old, followed, before, log.Settled())
	}
}
