package eventlog_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// fullEngine is an engine whose disk may be full. It delays the commit of an event named slow.
type fullEngine struct {
	slowEngine
	full  atomic.Bool
	asked atomic.Int64
}

func (f *fullEngine) Admit(r *eventlog.Request) error {
	f.asked.Add(1)
	if f.full.Load() && !r.UsesReserve() {
		return eventlog.ErrDiskFull
	}
	return nil
}

// If the disk becomes full, requests that wait for the committer are refused, and are certainly not stored. Requests
// that withdraw trust are stored.
func TestFullWhileQueued(t *testing.T) {
	t.Parallel()
	engine := &fullEngine{slowEngine: slowEngine{memory.Open(memory.Options{}), make(chan struct{}), make(chan struct{})}}
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	send := func(r *eventlog.Request) chan error {
		done := make(chan error, 1)
		go func() {
			_, err := log.Append(t.Context(), r)
			done <- err
		}()
		return done
	}
	event := func(name string) *eventlog.Request {
		return &eventlog.Request{Events: []eventlog.Event{{Name: name, Data: []byte("1")}}}
	}
	slow := send(event("slow"))
	<-engine.begun
	asked := engine.asked.Load()
	late := send(event("late"))
	withdrawal := send(&eventlog.Request{Rows: []eventlog.Row{{Key: "k", Value: []byte("v")}}, FromReserve: true})
	for engine.asked.Load() < asked+2 { // both were admitted
		time.Sleep(time.Millisecond)
	}
	engine.full.Store(true)
	close(engine.go_)
	if err := <-late; !eventlog.DiskFull(err) || !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("the event: %v", err)
	}
	for name, done := range map[string]chan error{"what was under way": slow, "the withdrawal": withdrawal} {
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A request uses the reserve if its maker says so, or if it stores nothing.
func TestFromReserve(t *testing.T) {
	t.Parallel()
	engine := &fullEngine{slowEngine: slowEngine{Engine: memory.Open(memory.Options{})}}
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	engine.full.Store(true)
	value, gone := eventlog.Row{Key: "k", Value: []byte("v")}, eventlog.Row{Key: "k"}
	for name, tt := range map[string]struct {
		r     eventlog.Request
		taken bool
	}{
		"a row":             {eventlog.Request{Rows: []eventlog.Row{value}}, false},
		"a row's end":       {eventlog.Request{Rows: []eventlog.Row{gone}}, true},
		"both":              {eventlog.Request{Rows: []eventlog.Row{gone, value}}, false},
		"both, to withdraw": {eventlog.Request{Rows: []eventlog.Row{gone, value}, FromReserve: true}, true},
		"an event":          {eventlog.Request{Events: []eventlog.Event{{Name: "a", Data: []byte("1")}}}, false},
		"nothing":           {eventlog.Request{}, true},
		"the end of spaces": {eventlog.Request{Edit: &eventlog.Edit{Drop: []string{"$db/x"}}}, true},
		"the end of rows":   {eventlog.Request{Edit: &eventlog.Edit{DropRows: []string{"k"}}}, true},
		"a new name":        {eventlog.Request{Edit: &eventlog.Edit{Rename: [2]string{"$db/x", "$db/y"}}}, false},
		"an end and a row":  {eventlog.Request{Edit: &eventlog.Edit{Drop: []string{"$db/x"}}, Rows: []eventlog.Row{value}}, false},
	} {
		if _, err := log.Append(t.Context(), &tt.r); eventlog.DiskFull(err) == tt.taken {
			t.Errorf("%s: %v", name, err)
		}
	}
}
