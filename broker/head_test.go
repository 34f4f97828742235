package broker_test

import (
	"context"
	"testing"
	"time"

	"sluice/broker"
	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
)

// The position of a reader at the head is that up to which the log is settled, even if no event of its own moved that.
func TestHeadIsSettled(t *testing.T) {
	t.Parallel()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := broker.New(log, broker.Options{})
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, err := b.Subscribe(broker.Filter{Channels: channel.NewSet(channel.Pattern{Space: "$room/a"})}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	logtest.MakeKeyed(t, log, "$room/c")
	other := []eventlog.Event{{Space: "$room/c", Name: "push", Op: eventlog.Append, Key: "k", Data: []byte("1")}}
	if _, err := b.Log().Append(ctx, &eventlog.Request{Events: other}); err != nil {
		t.Fatal(err)
	}
	if err := log.Create(ctx, "$room/b"); err != nil {
		t.Fatal(err)
	}
	_, position, err := b.Retained(ctx, "$room/a", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, progress := s.Peek(&broker.Block{}, 1000); progress != broker.Idle || s.Position() < position {
		t.Errorf("a reader at the head is at %d, the log at %d", s.Position(), position)
	}
}
