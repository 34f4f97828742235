package openapi_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// failing is an engine that fails on demand: by an error, or by a panic while it reads.
type failing struct {
	eventlog.Engine
	fails, panics atomic.Bool
}

func (f *failing) fault() error {
	if f.panics.Load() {
		panic("the engine panics")
	}
	if f.fails.Load() {
		return errors.New("the disk is gone")
	}
	return nil
}

func (f *failing) Admit(*eventlog.Request) error {
	if f.fails.Load() {
		return errors.New("the disk is gone")
	}
	return nil
}

func (f *failing) Read(ctx context.Context, q *eventlog.Query, after, upto uint64, limit int) (eventlog.Page, error) {
	if err := f.fault(); err != nil {
		return eventlog.Page{}, err
	}
	return f.Engine.Read(ctx, q, after, upto, limit)
}

func (f *failing) Keyed(ctx context.Context, space string, key *string, each func(eventlog.Event) error) (uint64, error) {
	if err := f.fault(); err != nil {
		return 0, err
	}
	return f.Engine.Keyed(ctx, space, key, each)
}

func (f *failing) View(ctx context.Context, see func(eventlog.View) error) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.Engine.View(ctx, see)
}

func (f *failing) Streams(ctx context.Context, space, prefix, after string, limit int) ([]eventlog.StreamState, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.Engine.Streams(ctx, space, prefix, after, limit)
}

func (f *failing) State(space string) (eventlog.State, error) {
	if err := f.fault(); err != nil {
		return eventlog.State{}, err
	}
	return f.Engine.State(space)
}

// faults sends requests while the log fails, and reads while its engine panics: answers 503 and 500 of all doors.
func (r *recorder) faults(t *testing.T) {
	engine := &failing{Engine: memory.Open(memory.Options{})}
	g := start(t, func(s *gatewaytest.Setup) { s.Engine = engine })
	r.send(t, g, call{op: "getRoom", path: "/room/sample-room"})
	engine.fails.Store(true)
	r.each(func(o *operation) {
		r.send(t, g, call{op: o.id, as: o.credential(), headers: o.headers(), wrong: true})
	})
	engine.panics.Store(true)
	r.each(func(o *operation) {
		if (o.method == "GET" || o.method == "SEARCH") && !makesRoom[o.id] { // a change would panic in the committer, which ends the process
			r.send(t, g, call{op: o.id, as: o.credential(), headers: o.headers(), wrong: true})
		}
	})
	engine.panics.Store(false)
}
