package eventlog_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
)

// readCounter counts how often keyed spaces are read.
type readCounter struct {
	eventlog.Engine
	reads atomic.Int64
}

func (c *readCounter) Keyed(ctx context.Context, space string, key *string, f func(eventlog.Event) error) (uint64, error) {
	c.reads.Add(1)
	return c.Engine.Keyed(ctx, space, key, f)
}

// An edit of other spaces does not make the committer read a space again: all publishers would wait for that.
func TestEditsLeaveOtherSpacesKnown(t *testing.T) {
	t.Parallel()
	engine := &readCounter{Engine: memory.Open(memory.Options{})}
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx := context.Background()
	push := func(space string) uint64 {
		e := eventlog.Event{Space: space, Name: "push", Op: eventlog.Append, Key: "k", Data: []byte("1")}
		r := &eventlog.Request{Events: []eventlog.Event{e}}
		if _, err := log.Append(ctx, r); err != nil {
			t.Fatal(err)
		}
		return r.Events[0].Seq
	}
	logtest.MakeKeyed(t, log, "$room/a", "$room/b")
	push("$room/a")
	push("$room/b")
	begun := engine.reads.Load()
	_, plain := log.Append(ctx, &eventlog.Request{Edit: &eventlog.Edit{Drop: []string{"plain"}}})
	if err := errors.Join(plain, logtest.DropKeyed(log, "$room/b")); err != nil {
		t.Fatal(err)
	}
	if seq := push("$room/a"); seq != 2 || engine.reads.Load() != begun {
		t.Errorf("number %d after %d reads", seq, engine.reads.Load()-begun)
	}
	logtest.MakeKeyed(t, log, "$room/b")
	if seq := push("$room/b"); seq != 1 || engine.reads.Load() != begun+1 {
		t.Errorf("the dropped one: number %d after %d reads", seq, engine.reads.Load()-begun)
	}
}
