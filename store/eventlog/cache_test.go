package eventlog_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// numbers is a cache of rows that are numbers.
type numbers map[string]int

func (n numbers) cache() eventlog.Cache {
	return eventlog.Cache{
		Put: func(name string, value []byte) error {
			var number int
			if value == nil {
				delete(n, name)
				return nil
			}
			err := json.Unmarshal(value, &number)
			if err == nil {
				n[name] = number
			}
			return err
		},
		Names: func(prefix string) []string { return eventlog.Named(n, prefix) },
	}
}

// TestFollowRows: a cache has the rows under its prefix. One that it cannot read counts as deleted, and makes the opening
// fail.
func TestFollowRows(t *testing.T) {
	t.Parallel()
	log := openMemory(t)
	change(t, log, &eventlog.Request{Rows: rowsOf("a/1", "a/2", "a/3", "a/31", "b/1")})
	got := numbers{}
	if err := log.FollowRows("a/", got.cache()); err != nil {
		t.Fatal(err)
	}
	check := func(want ...string) {
		t.Helper()
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
			t.Errorf("the cache has %q, want %q", names, want)
		}
	}
	check("1", "2", "3", "31")
	change(t, log, &eventlog.Request{Rows: []eventlog.Row{{Key: "a/1"}, {Key: "a/2", Value: []byte("x")}}})
	check("3", "31")
	change(t, log, &eventlog.Request{Edit: &eventlog.Edit{DropRows: []string{"a/31"}}, Rows: rowsOf("a/4")})
	check("3", "4")
	if err := log.FollowRows("a/", numbers{}.cache()); err == nil {
		t.Error("a row that cannot be read is no error when a cache is opened")
	}
	change(t, log, &eventlog.Request{Edit: &eventlog.Edit{DropRows: []string{"a"}}})
	check()
}

// TestRetry: changes that race are done one after another, and none is lost.
func TestRetry(t *testing.T) {
	t.Parallel()
	log := openMemory(t)
	ctx := context.Background()
	add := func() error {
		return log.Retry(ctx, func() error {
			was, err := log.Row("n")
			if err != nil {
				return err
			}
			n, _ := strconv.Atoi(string(was))
			_, err = log.Append(ctx, &eventlog.Request{
				Rows: []eventlog.Row{{Key: "n", Value: strconv.AppendInt(nil, int64(n+1), 10)}}, If: []eventlog.Condition{eventlog.RowIs("n", was)},
			})
			return err
		})
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if err := add(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n, err := log.Row("n"); err != nil || string(n) != "400" {
		t.Errorf("counted %s, %v", n, err)
	}
}

// TestRetryEnds: a change that never succeeds ends with an error that the client may try again.
func TestRetryEnds(t *testing.T) {
	t.Parallel()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{WaitLimit: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if err := log.Retry(context.Background(), func() error { return eventlog.ErrRow }); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := openMemory(t).Retry(ctx, func() error { return eventlog.ErrRow }); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Error(err)
	}
}

// TestEffects: effects run in order and outside of the follower. A panic is contained, and who waits finds all done.
func TestEffects(t *testing.T) {
	t.Parallel()
	effects := openMemory(t).Effects()
	var got []int
	for i := range 100 {
		effects.Do(func() {
			if got = append(got, i); i%10 == 5 {
				panic("on purpose")
			}
		})
	}
	effects.Wait()
	if len(got) != 100 || !slices.IsSorted(got) {
		t.Errorf("ran %v", got)
	}
	effects.Wait() // nothing runs
}
