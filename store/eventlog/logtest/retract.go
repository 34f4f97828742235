package logtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"sluice/store/eventlog"
)

func anyEvent(*eventlog.Event) error { return nil }

// retract takes an event out, which must be there.
func retract(t TB, l *eventlog.Log, id uint64) uint64 {
	t.Helper()
	by, err := l.Retract(context.Background(), id, anyEvent, nil)
	if err != nil {
		t.Fatal(err)
	}
	return by
}

// testRetract: what is retracted is gone from every read, and an event on its channel and in its stream says so. The bytes
// of the space stay right in each part that retention cuts, also after reopening.
func testRetract(t *testing.T, o Opener) {
	config := Config{Retain: func(string) eventlog.Retention { return eventlog.Retention{Bytes: 1 << 20} }} // an engine may have up to 32 KiB in a part
	log, _ := open(t, o, config)
	defer func() { closeLog(t, log) }()
	large := make([]byte, 1000)
	for i := range large {
		large[i] = '1'
	}
	var events []eventlog.Event
	bytes := int64(0)
	for i := range 200 {
		e := event([]string{"put", "goal"}[i%2], "c", []string{"", "s", "t"}[i%3])
		e.Data = large[:100+i*4]
		events = append(events, e)
		bytes += log.Weight(&e)
	}
	for i := range events {
		events[i].ID = put(t, log, events[i])
	}
	check := func(when string) {
		t.Helper()
		if s, err := log.State(""); err != nil || s.Bytes != bytes {
			t.Errorf("%s: %d bytes, want %d (%v)", when, s.Bytes, bytes, err)
		}
		for _, stream := range []string{"", "s"} {
			q := everything("")
			q.Stream = stream
			var want, got []string
			for _, e := range events {
				if stream == "" || e.Stream == stream {
					want = append(want, fmt.Sprint(e.ID, e.Name, e.Collection, e.Stream, string(e.Meta)))
				}
			}
			for _, e := range all(t, log, q, 0, 7) {
				got = append(got, fmt.Sprint(e.ID, e.Name, e.Collection, e.Stream, string(e.Meta)))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: stream %q has %d events, want %d", when, stream, len(got), len(want))
			}
		}
	}
	check("before")
	for _, i := range []int{0, 1, 50, 51, 120, 194, 193} { // those before are gone already, so the numbers are of other events
		gone := events[i]
		by := retract(t, log, gone.ID)
		said := all(t, log, everything(""), by-1, 1)[0]
		want := `{"id":"` + strconv.FormatUint(gone.ID, 10) + `","channel":"` + gone.Channel().String() + `"}`
		if said.ID != by || !said.Retracts() || string(said.Data) != want || said.Channel() != gone.Channel() || said.Stream != gone.Stream {
			t.Errorf("%+v says that %+v is gone", said, gone)
		}
		bytes += log.Weight(&said) - log.Weight(&gone)
		events = append(slices.Delete(events, i, i+1), said)
		for _, id := range []uint64{gone.ID, by, 1, by + 1000} {
			if _, err := log.Retract(context.Background(), id, anyEvent, nil); !errors.Is(err, eventlog.ErrGone) {
				t.Errorf("%d was retracted: %v", id, err)
			}
		}
		if start, err := log.Locate(context.Background(), "", strconv.FormatUint(gone.ID, 10)); err != nil || start != (eventlog.Start{After: gone.ID}) {
			t.Errorf("who has seen %d last goes on at %+v %v", gone.ID, start, err)
		}
	}
	check("retracted")
	if o.Durable() {
		closeLog(t, log)
		log, _ = open(t, o, config)
		check("reopened")
	}
}

// testRetractRefused: who may not, changes nothing; what retention has cut is gone; an idempotency key makes it happen once.
func testRetractRefused(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	defer closeLog(t, log)
	ctx := context.Background()
	id := put(t, log, event("goal", "", "s"))
	no := errors.New("no")
	if _, err := log.Retract(ctx, id, func(e *eventlog.Event) error {
		if e.ID != id || e.Name != "goal" || e.Stream != "s" {
			t.Errorf("asked for %+v", e)
		}
		return no
	}, nil); !errors.Is(err, no) || log.Settled() != id {
		t.Errorf("refused: %v, and the log is at %d", err, log.Settled())
	}
	var by uint64
	for i := range 2 {
		once, answer, err := log.Once("me", "key", [32]byte{1})
		if err != nil || (answer != nil) != (i == 1) || answer != nil && answer.First != by {
			t.Fatal(answer, err)
		}
		if i == 0 {
			if by, err = log.Retract(ctx, id, anyEvent, once); err != nil || once.Replayed {
				t.Fatal(err)
			}
		}
	}
	cut := put(t, log, event("goal", "", ""), event("goal", "", ""))
	if _, err := log.Append(ctx, &eventlog.Request{Edit: &eventlog.Edit{Trim: []eventlog.Trim{{ID: cut}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Retract(ctx, cut, anyEvent, nil); !errors.Is(err, eventlog.ErrGone) {
		t.Errorf("what was cut was retracted: %v", err)
	}
	retract(t, log, cut+1)
}

// testRetractStream: a retraction is the newest event of the stream, so nobody can write on what they read before it.
func testRetractStream(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	defer closeLog(t, log)
	first := put(t, log, event("a", "", "s"))
	last := put(t, log, event("b", "", "s"))
	by := retract(t, log, last)
	for expect, ok := range map[uint64]bool{first: false, last: false, 0: false, by: true} {
		_, err := log.Append(context.Background(), &eventlog.Request{Events: []eventlog.Event{event("c", "", "s")}, Expect: []eventlog.Expectation{{Last: expect}}})
		var moved *eventlog.ExpectError
		if ok && err != nil || !ok && (!errors.As(err, &moved) || moved.Last < by) {
			t.Errorf("expecting %d: %v %+v", expect, err, moved)
		}
	}
}

// testRetractRaces: of many who retract one event, one does.
func testRetractRaces(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	defer closeLog(t, log)
	first := put(t, log, event("a", "", ""), event("a", "", ""), event("a", "", ""))
	var group sync.WaitGroup
	var won, gone atomic.Int32
	for i := range 24 {
		group.Go(func() {
			switch _, err := log.Retract(context.Background(), first+uint64(i%3), anyEvent, nil); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, eventlog.ErrGone):
				gone.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if won.Load() != 3 || gone.Load() != 21 || len(all(t, log, everything(""), 0, 10)) != 3 {
		t.Errorf("%d were first and %d late, of 24 for 3 events", won.Load(), gone.Load())
	}
}

// retract is an action of the model.
func (m *logModel) retract(t *rapid.T) {
	if len(m.all) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.all)-1).Draw(t, "retracted")
	gone := m.all[i]
	by, err := m.log.Retract(context.Background(), gone.ID, anyEvent, nil)
	if errors.Is(err, eventlog.ErrGone) {
		if state, serr := m.log.State(""); serr != nil || gone.ID > state.Removed && !gone.Retracts() {
			t.Fatalf("%d is no more, and retention has cut up to %d (%v)", gone.ID, state.Removed, serr)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	said := eventlog.Event{ID: by, Name: gone.Name, Collection: gone.Collection, Stream: gone.Stream, Meta: []byte("r")}
	m.all = append(slices.Delete(m.all, i, i+1), said)
}
