package broker_test

import (
	"fmt"
	"testing"

	"sluice/broker"
	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
)

// only is an encoder for the events of one key.
type only struct{ key string }

func (o only) Wants(e *eventlog.Event) bool { return e.Key == o.key }

func (o only) Append(dst []byte, e *eventlog.Event) []byte {
	if !o.Wants(e) {
		return dst
	}
	return append(append(dst, e.Data...), '\n')
}

func (only) AppendGap(dst []byte, _ uint64, _ string) []byte { return dst }

// An event wakes only subscribers that it matches, and takes no room in the ring if there are none.
func TestChoosersCostNothing(t *testing.T) {
	t.Parallel()
	b := open(t, broker.Options{RingBytes: 32 << 10}, eventlog.Retention{})
	logtest.MakeKeyed(t, b.Log(), "$room/a")
	join := func(key string) *broker.Subscriber {
		s, err := b.Subscribe(broker.Filter{Channels: channel.NewSet(channel.Pattern{Space: "$room/a"}), Encoder: only{key}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	push := func(key string) {
		r := &eventlog.Request{Events: []eventlog.Event{{Space: "$room/a", Name: "push", Op: eventlog.Append, Key: key, Data: []byte("1")}}}
		if _, err := b.Log().Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		join(fmt.Sprint("other", i))
	}
	other, wanted, goals := join("other"), join("k"), subscribe(t, b, "goal", "")
	publish(t, b, "goal", "", 1)
	for range 5 {
		push("k")
	}
	select {
	case <-other.Wake():
		t.Error("a subscriber that does not want the event is woken")
	default:
	}
	k, progress := wanted.Peek(&broker.Block{}, 1<<20)
	if string(k.Bytes) != "1\n1\n1\n1\n1\n" || progress != broker.More {
		t.Errorf("got %q", k.Bytes)
	}
	if _, progress := goals.Peek(&broker.Block{}, 1<<20); progress != broker.More {
		t.Error("an event of before is out of the ring")
	}
	push("other")
	if k, progress := other.Peek(&broker.Block{}, 1<<20); string(k.Bytes) != "1\n" || progress != broker.More {
		t.Errorf("got %q", k.Bytes)
	}
}
