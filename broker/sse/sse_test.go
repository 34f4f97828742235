package sse

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/broker/sse/ssetest"
	"sluice/channel"
)

// The exact bytes of the frames in docs/protocol.md.
func TestFrames(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 14, 22, 1, 130_999_999, time.FixedZone("", 3600))
	pad := ":" + strings.Repeat(" ", 2048) + "\n"
	tests := []struct{ got, want string }{
		{string(AppendInit(nil, "41", "c-1", 2*time.Second)), pad + "retry: 2000\nid: 41\ndata: {\"channel\":\"init\",\"data\":{},\"connection\":\"c-1\"}\n\n"},
		{string(AppendInit(nil, "", "c-1", time.Millisecond)), pad + "retry: 1\ndata: {\"channel\":\"init\",\"data\":{},\"connection\":\"c-1\"}\n\n"},
		{string(AppendPing(nil, 52, now)), "event: ping\nid: 52\ndata: 2026-11-20T13:22:01.130Z\n\n"},
		{string(AppendPing(nil, 0, now.Truncate(time.Second))), "event: ping\ndata: 2026-11-20T13:22:01.000Z\n\n"},
		{string(Frame(&Published{ID: 53, Name: "put", Collection: "customer", Data: []byte(`"x"`)}, FramesPublish, 10*time.Second).Bare()), "id: 53\nevent: put\ndata: {\"event\":\"put\",\"collection\":\"customer\",\"data\":\"x\"}\nretry: 10000\n\n"},
		{string(Frame(&Published{ID: 53, Name: `a"\b`, Custom: true, Stream: "s"}, FramesName, 0).Bare()), "id: 53\nevent: a\"\\b\ndata: {\"event\":\"a\\\"\\\\b\",\"data\":null,\"stream\":\"s\"}\n\n"},
		{string(Frame(&Published{ID: 53, Name: "goal", Custom: true, Data: []byte(`1`)}, FramesPublish, 0).Bare()), "id: 53\nevent: publish\ndata: {\"event\":\"goal\",\"data\":1}\n\n"},
		{string(AppendGap(nil, 9, "expired", "12", 10)), "event: gap\nid: 9\ndata: {\"event\":\"gap\",\"data\":{\"reason\":\"expired\",\"after\":\"12\",\"oldest\":\"10\"}}\n\n"},
		{string(Frame(&Published{ID: 1, Name: "goal", Custom: true, Collection: "c", Stream: "s", Data: []byte(`[1.0,"<&>é\u2028"]`)}, FramesName, 0).Bare()), "id: 1\nevent: goal\ndata: {\"event\":\"goal\",\"collection\":\"c\",\"data\":[1.0,\"<&>é\\u2028\"],\"stream\":\"s\"}\n\n"},
		{string(AppendObject(nil, "é<", `"`, `\`, []byte("null"))), `{"event":"é<","collection":"\"","data":null,"stream":"\\"}`},
		{string(AppendGap(nil, 9, "lost", "", 10)), "event: gap\nid: 9\ndata: {\"event\":\"gap\",\"data\":{\"reason\":\"lost\",\"oldest\":\"10\"}}\n\n"},
		{string(AppendGap(nil, 9, "unknown", "", 0)), "event: gap\nid: 9\ndata: {\"event\":\"gap\",\"data\":{\"reason\":\"unknown\"}}\n\n"},
		{string(AppendExpired(nil, "exp", 0)), "event: expired\ndata: {\"event\":\"expired\",\"data\":{\"reason\":\"exp\"}}\n\n"},
		{string(AppendExpired(nil, "revoked", time.Second)), "event: expired\ndata: {\"event\":\"expired\",\"data\":{\"reason\":\"revoked\"}}\nretry: 1000\n\n"},
		{string(AppendBusy(nil, "", 429, "wait", 2*time.Second)), "retry: 2000\nevent: busy\ndata: {\"event\":\"busy\",\"data\":{\"status\":429,\"message\":\"wait\"}}\n\n"},
		{string(AppendBusy(nil, "7", 503, `a "b"`, 3*time.Second)), "retry: 3000\nevent: busy\nid: 7\ndata: {\"event\":\"busy\",\"data\":{\"status\":503,\"message\":\"a \\\"b\\\"\"}}\n\n"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got  %q\nwant %q", tt.got, tt.want)
		}
	}
}

// TestAllocations: Frame allocates once, and appending not at all if there is room.
func TestAllocations(t *testing.T) {
	data, now := []byte(`{"id":"577cf185e2039b0900000016"}`), time.Now()
	if n := testing.AllocsPerRun(100, func() {
		Frame(&Published{ID: 1795219523000053, Name: `a"b`, Custom: true, Collection: "customer", Stream: "s", Data: data}, FramesName, 10*time.Second)
	}); n != 1 {
		t.Errorf("Frame allocates %v times", n)
	}
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		dst = AppendInit(dst[:0], "41", "c-1", time.Second)
		dst = AppendPing(dst, 41, now)
		dst = AppendWhole(dst, &Published{ID: 42, Name: "goal", Custom: true, Collection: "c", Stream: "s", Data: data}, FramesPublish, time.Second)
		dst = AppendGap(dst, 43, "expired", "12", 10)
		dst = AppendExpired(dst, "exp", time.Second)
		dst = AppendBusy(dst, "7", 503, "wait", time.Second)
	}); n != 0 {
		t.Errorf("appending allocates %v times", n)
	}
}

// FuzzFrame: an independent parser reads what was encoded, for all names and data.
func FuzzFrame(f *testing.F) {
	f.Add("goal", "customer", "s", `{"a":1}`, uint64(53), false)
	f.Add("a\"\\é", "", "", "\"\u2028\"", uint64(1), true)
	f.Fuzz(func(t *testing.T, name, collection, stream, data string, id uint64, publish bool) {
		if channel.CheckEvent(name) != nil || collection != "" && channel.CheckName(collection) != nil || stream != "" && channel.CheckName(stream) != nil ||
			!json.Valid([]byte(data)) || !utf8.ValidString(data) || strings.ContainsAny(data, "\r\n") {
			return
		}
		mode := FramesName
		if publish {
			mode = FramesPublish
		}
		frame := Frame(&Published{ID: id, Name: name, Custom: true, Collection: collection, Stream: stream, Data: []byte(data)}, mode, time.Second).Bare()
		var parser ssetest.Parser
		var events []ssetest.Event
		for piece := range slices.Chunk(frame, 7) {
			some, err := parser.Feed(piece)
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, some...)
		}
		if len(events) != 1 || events[0].ID != fmt.Sprint(id) || events[0].Name != FrameName(name, true, mode) || events[0].Retry != time.Second {
			t.Fatalf("%q is read as %+v", frame, events)
		}
		if n := ObjectLen(name, collection, stream, []byte(data)); n != len(events[0].Data) {
			t.Fatalf("ObjectLen is %d of %q", n, events[0].Data)
		}
		var object struct {
			Event, Collection, Stream string
			Data                      json.RawMessage
		}
		if err := json.Unmarshal([]byte(events[0].Data), &object); err != nil || object.Event != name || object.Collection != collection || object.Stream != stream || string(object.Data) != strings.TrimSpace(data) {
			t.Fatalf("%q: %v", events[0].Data, err)
		}
		if cap(frame) > len(frame)+frameOverhead {
			t.Fatalf("%d bytes for a frame of %d", cap(frame), len(frame))
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	data := []byte(`{"id":"577cf185e2039b0900000016","text":"` + strings.Repeat("x", 150) + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		Frame(&Published{ID: 1795219523000053, Name: "put", Collection: "customer", Data: data}, FramesName, 10*time.Second)
	}
}
