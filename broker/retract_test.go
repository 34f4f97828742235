package broker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"sluice/broker"
	"sluice/broker/sse"
	"sluice/channel/channeltest"
	"sluice/store/eventlog"
)

func retract(t testing.TB, b *broker.Broker, id uint64) uint64 {
	t.Helper()
	by, err := b.Log().Retract(context.Background(), id, func(*eventlog.Event) error { return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return by
}

// TestRetracted: who has an event in hand while it is retracted delivers it before the retraction. Nobody gets it afterwards,
// whether they read the list, the ring, the log, or a block that somebody else has made.
func TestRetracted(t *testing.T) {
	t.Parallel()
	many := strings.Repeat(" d", 200) // the lists drop what was before them
	for name, tt := range map[string]struct {
		ring   int
		behind string
	}{"list": {}, "ring": {behind: many}, "log": {ring: 1}} {
		b := open(t, broker.Options{RingBytes: tt.ring}, eventlog.Retention{})
		start := fmt.Sprint(publish(t, b, "first", "", 1))
		early, late := subscribe(t, b, "*", start), subscribe(t, b, "*", start)
		first := publishExcept(t, b, eventlog.Connection{}, strings.Fields("a b c e f g h i j k"+tt.behind)...)
		early.AppendOpening(nil)
		k, progress, err := early.Next(context.Background(), &broker.Block{}, 1<<20)
		if err != nil || progress != broker.More || !strings.Contains(string(k.Bytes), "event: c\n") {
			t.Fatalf("%s: %v %v %.500q", name, progress, err, k.Bytes)
		}
		by := retract(t, b, first+2)
		said := fmt.Sprintf("id: %d\nevent: retract\ndata: {\"event\":\"retract\",\"data\":{\"id\":\"%d\",\"channel\":\"c\"}}\n\n", by, first+2)
		want := "a b e f g h i j k" + tt.behind + " retract"
		var out []byte
		for more := true; more; {
			out, more = next(t, late, k, out, 1<<20)
		}
		if got := strings.Join(namesOf(string(out)), " "); got != want || !strings.HasSuffix(string(out), said) {
			t.Errorf("%s: afterwards came %.300s, and at the end %.300q, want %q", name, got, out[max(0, len(out)-200):], said)
		}
		again := subscribe(t, b, "*", start)
		if got := strings.Join(namesOf(readAll(t, again)), " "); got != want {
			t.Errorf("%s: who came later got %.300s", name, got)
		}
		at := subscribe(t, b, "*", fmt.Sprint(first+2)) // its last id is the one that is gone
		if got := strings.Join(namesOf(readAll(t, at)), " "); got != strings.TrimPrefix(want, "a b ") {
			t.Errorf("%s: who had it last got %.300s", name, got)
		}
	}
}

// TestWhoIsToldOfRetractions: exactly those subscribers who get the events of its channel, stream and name.
func TestWhoIsToldOfRetractions(t *testing.T) {
	t.Parallel()
	b := open(t, broker.Options{}, eventlog.Retention{})
	frame := func(stream, format string) string {
		return fmt.Sprintf(format, `"collection":"customer"`, `"data":{"id":"ID","channel":"PUT:customer"}`, stream)
	}
	const plain = "{\"event\":\"retract\",%s,%s%s}\n\n"
	for _, tt := range []struct {
		filter broker.Filter
		want   string
	}{
		{broker.Filter{Channels: channeltest.Set("PUT:customer")}, frame(`,"stream":"s"`, "event: retract\ndata: "+plain)},
		{broker.Filter{Channels: channeltest.Set("*:customer"), Frames: sse.FramesPublish}, frame(`,"stream":"s"`, "event: retract\ndata: "+plain)},
		{broker.Filter{Channels: channeltest.Set("*"), Stream: "s"}, frame(`,"stream":"s"`, "event: retract\ndata: "+plain)},
		{broker.Filter{Channels: channeltest.Set("*"), Names: []string{"put"}}, frame(`,"stream":"s"`, "event: retract\ndata: "+plain)},
		{broker.Filter{Channels: channeltest.Set("POST:customer", "DELETE:*", "retract", "customer")}, ""},
		{broker.Filter{Channels: channeltest.Set("*"), Stream: "t"}, ""},
		{broker.Filter{Channels: channeltest.Set("*"), Names: []string{"post"}}, ""},
	} {
		first, err := b.Log().Append(context.Background(), &eventlog.Request{Events: []eventlog.Event{{Name: "put", Collection: "customer", Stream: "s", Data: []byte("1")}}})
		if err != nil {
			t.Fatal(err)
		}
		tt.filter.Opened = true
		s, err := b.Subscribe(tt.filter, nil)
		if err != nil {
			t.Fatal(err)
		}
		by := retract(t, b, first)
		want := ""
		if tt.want != "" {
			want = fmt.Sprintf("id: %d\n", by) + strings.ReplaceAll(tt.want, "ID", fmt.Sprint(first))
		}
		if got := readAll(t, s); got != want {
			t.Errorf("%s of %q, %q: got %q, want %q", tt.filter.Channels, tt.filter.Stream, tt.filter.Names, got, want)
		}
		s.Close()
	}
}
