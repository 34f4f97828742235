package broker_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/broker"
	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/share"
)

// waiting is an engine whose reads wait until the test lets them go on.
type waiting struct {
	eventlog.Engine
	begun atomic.Int64
	let   chan struct{}
}

func (w *waiting) Keyed(ctx context.Context, space string, key *string, f func(eventlog.Event) error) (uint64, error) {
	w.begun.Add(1)
	select {
	case <-w.let:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return w.Engine.Keyed(ctx, space, key, f)
}

// Reads of rooms take turns with one another and with replays, and delay no publisher.
func TestRetainedTakesTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := &waiting{Engine: memory.Open(memory.Options{}), let: make(chan struct{})}
		log, err := eventlog.Open(engine, eventlog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		b := broker.New(log, broker.Options{Replays: 2})
		ctx := context.Background()
		room := channel.RoomSpace + "room"
		if err := log.Create(ctx, room); err != nil {
			t.Fatal(err)
		}
		late, err := b.Subscribe(broker.Filter{
			Channels: channel.NewSet(channel.Pattern{Space: room}), Encoder: silent{}, Start: &eventlog.Start{},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer late.Close()
		given, giveUp := context.WithCancel(ctx)
		var done atomic.Int64
		for range 5 {
			go func() {
				if _, _, err := b.Retained(ctx, room, nil, 1<<20); err != nil {
					t.Error(err)
				}
				done.Add(1)
			}()
		}
		synctest.Wait()
		go func() { // a replay
			if _, err := late.Fetch(ctx, 1<<20); err != nil {
				t.Error(err)
			}
			done.Add(1)
		}()
		go func() {
			if _, _, err := b.Retained(given, room, nil, 1<<20); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
		synctest.Wait()
		if engine.begun.Load() != 2 {
			t.Errorf("%d read at once, want 2", engine.begun.Load())
		}
		giveUp()
		if _, err := b.Log().Append(ctx, &eventlog.Request{Events: []eventlog.Event{{Name: "e", Data: []byte("1")}}}); err != nil {
			t.Error(err)
		}
		for want := int64(3); want <= 6; want++ {
			engine.let <- struct{}{}
			synctest.Wait()
			if engine.begun.Load() != want || done.Load() != want-2 {
				t.Errorf("%d began and %d are done, want %d and %d", engine.begun.Load(), done.Load(), want, want-2)
			}
		}
		close(engine.let)
		synctest.Wait()
		if done.Load() != 6 {
			t.Errorf("%d of 6 are done", done.Load())
		}
	})
}

// slow is an engine whose reads take a while.
type slow struct{ eventlog.Engine }

func (s slow) Keyed(ctx context.Context, space string, key *string, f func(eventlog.Event) error) (uint64, error) {
	time.Sleep(10 * time.Millisecond)
	return s.Engine.Keyed(ctx, space, key, f)
}

// However many reads of one owner wait, a read of another owner waits for only one of them.
func TestTurnsGoRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, err := eventlog.Open(slow{memory.Open(memory.Options{})}, eventlog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		b := broker.New(log, broker.Options{Replays: 2})
		room := channel.RoomSpace + "room"
		if err := log.Create(t.Context(), room); err != nil {
			t.Fatal(err)
		}
		read := func(owner string) {
			if _, _, err := b.Retained(share.With(t.Context(), owner), room, nil, 1<<20); err != nil {
				t.Error(err)
			}
		}
		for range 1000 {
			go read("ann")
		}
		time.Sleep(time.Second)
		for range 10 {
			began := time.Now()
			read("ben")
			if took := time.Since(began); took > 25*time.Millisecond {
				t.Errorf("ben waited %s", took)
			}
		}
		time.Sleep(time.Minute)
	})
}

// silent encodes nothing.
type silent struct{}

func (silent) Append(dst []byte, _ *eventlog.Event) []byte     { return dst }
func (silent) AppendGap(dst []byte, _ uint64, _ string) []byte { return dst }

// A space that is larger than the limit is not read to its end.
func TestRetainedLarge(t *testing.T) {
	t.Parallel()
	b := openPebble(t)
	ctx, room, key := context.Background(), channel.RoomSpace+"room", "k"
	if err := b.Log().Create(ctx, room); err != nil {
		t.Fatal(err)
	}
	size := 0
	for range 10 {
		e := eventlog.Event{Space: room, Name: "push", Op: eventlog.Append, Key: key, Data: []byte(`"some text"`)}
		size += e.Size()
		if _, err := b.Log().Append(ctx, &eventlog.Request{Events: []eventlog.Event{e}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, of := range []*string{nil, &key} {
		if entries, _, err := b.Retained(ctx, room, of, size); err != nil || len(entries) != 10 {
			t.Error(len(entries), err)
		}
		if entries, _, err := b.Retained(ctx, room, of, size-1); !errors.Is(err, broker.ErrLarge) || entries != nil {
			t.Error(len(entries), err)
		}
	}
}
