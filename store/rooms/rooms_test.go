package rooms

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// A room exists from when it is made. It goes when it was empty and silent for its time. It stays while somebody is in
// it.
func TestLifeOfARoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(Options{
			Log: log, Logger: slog.New(slog.DiscardHandler), Retention: 24 * time.Hour, Unused: time.Minute,
			Limits: Limits{Rooms: 10, CreateRateKey: 10, Connections: 1, Rate: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			r.Close()
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		}()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range []string{"a", "undefined", ""} {
			if err := r.Enter(context.Background(), id); !errors.Is(err, ErrNoRoom) {
				t.Errorf("a room %q that is not there: %v", id, err)
			}
		}
		must(r.Make(context.Background(), key("k"), "a"))
		must(r.Make(context.Background(), key("k"), "a")) // it exists already
		if n := r.Count(); n != 1 {
			t.Errorf("there are %d rooms", n)
		}
		must(r.Enter(context.Background(), "a"))
		must(r.Connect("a"))
		must(r.Enter(context.Background(), "a"))
		var full *Refusal
		if err := r.Connect("a"); !errors.As(err, &full) || full.Reason != Full {
			t.Errorf("a second connection of one: %v", err)
		}
		time.Sleep(time.Hour)
		if n := r.Count(); n != 1 {
			t.Errorf("a room that somebody is in: there are %d", n)
		}
		r.Disconnect("a")
		time.Sleep(time.Hour)
		if err := r.Enter(context.Background(), "a"); !errors.Is(err, ErrNoRoom) || r.Count() != 0 {
			t.Errorf("a room that was left an hour ago: %v, there are %d", err, r.Count())
		}
	})
}
