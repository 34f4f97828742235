package sse

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/channel"
)

// The exact bytes of the frames in docs/protocol.md.
func TestFrames(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 14, 22, 1, 130_999_999, time.FixedZone("", 3600))
	pad := ":" + strings.Repeat(" ", 2048) + "\n"
	tests := []struct{ got, want string }{
		{string(AppendInit(nil, "41", 2*time.Second)), pad + "retry: 2000\nid: 41\ndata: {\"channel\":\"init\",\"data\":{}}\n\n"},
		{string(AppendInit(nil, "", time.Millisecond)), pad + "retry: 1\ndata: {\"channel\":\"init\",\"data\":{}}\n\n"},
		{string(AppendPing(nil, 52, now)), "event: ping\nid: 52\ndata: 2026-11-20T13:22:01.130Z\n\n"},
		{string(AppendPing(nil, 0, now.Truncate(time.Second))), "event: ping\ndata: 2026-11-20T13:22:01.000Z\n\n"},
		{string(Frame(53, 53, "put", false, "customer", "", []byte(`"x"`), FramesPublish, 10*time.Second).Bare()), "id: 53\nevent: put\ndata: {\"event\":\"put\",\"collection\":\"customer\",\"data\":\"x\"}\nretry: 10000\n\n"},
		{string(Frame(53, 53, `a"\b`, true, "", "s", nil, FramesName, 0).Bare()), "id: 53\nevent: a\"\\b\ndata: {\"event\":\"a\\\"\\\\b\",\"data\":null,\"stream\":\"s\"}\n\n"},
		{string(Frame(53, 53, "goal", true, "", "", []byte(`1`), FramesPublish, 0).Bare()), "id: 53\nevent: publish\ndata: {\"event\":\"goal\",\"data\":1}\n\n"},
		{string(AppendGap(nil, 9, "expired", "12", 10)), "event: gap\nid: 9\ndata: {\"event\":\"gap\",\"data\":{\"reason\":\"expired\",\"after\":\"12\",\"oldest\":\"10\"}}\n\n"},
		{string(AppendWhole(nil, 53, 53, "goal", true, "", "", []byte(`1`), FramesName, 10*time.Second)), "id: 53\nevent: goal\ndata: {\"event\":\"goal\",\"data\":1}\nretry: 10000\n\n"},
		{string(AppendWhole([]byte("x"), 9007199254740991, 53, "goal", true, "", "", []byte(`1`), FramesName, 0)), "xid: 9007199254740991\nevent: goal\ndata: {\"event\":\"goal\",\"data\":1}\n\n"},
		{string(Frame(1, 1, "goal", true, "c", "s", []byte(`[1.0,"<&>é\u2028"]`), FramesName, 0).Bare()), "id: 1\nevent: goal\ndata: {\"event\":\"goal\",\"collection\":\"c\",\"data\":[1.0,\"<&>é\\u2028\"],\"stream\":\"s\"}\n\n"},
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

// TestWHATWG checks the parser with the examples and rules of the HTML standard, sections 9.2.6 and 9.2.7.
func TestWHATWG(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, stream string
		want         []Event
	}{
		{"two lines of data", "data: YHOO\ndata: +2\ndata: 10\n\n", []Event{{Data: "YHOO\n+2\n10"}}},
		{"comments and ids", ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n", []Event{{ID: "1", Data: "first event"}, {Data: "second event"}, {Data: " third event"}}},
		{"empty data", "data\n\ndata\ndata\n\ndata:", []Event{{Data: ""}, {Data: "\n"}}},
		{"space after the colon", "data:test\n\ndata: test\n\n", []Event{{Data: "test"}, {Data: "test"}}},
		{"byte order mark", "\ufeffdata: 1\n\n\ufeffdata: 2\n\n", []Event{{Data: "1"}}},
		{"all line ends", "data: 1\r\n\r\ndata: 2\r\rdata: 3\n\ndata: 4\r\n\n", []Event{{Data: "1"}, {Data: "2"}, {Data: "3"}, {Data: "4"}}},
		{"CRLF is one line end", "event: a\r\ndata: 1\r\ndata: 2\r\n\r\n", []Event{{Name: "a", Data: "1\n2"}}},
		{"names are reset, ids stay", "event: a\nid: 7\ndata: 1\n\ndata: 2\n\n", []Event{{ID: "7", Name: "a", Data: "1"}, {ID: "7", Data: "2"}}},
		{"no data, no event, but the id", "event: a\nid: 8\n\ndata: 1\n\n", []Event{{ID: "8", Data: "1"}}},
		{"an id with NUL", "id: 1\x002\ndata: 1\n\n", []Event{{Data: "1"}}},
		{"retry", "retry: 5\ndata: 1\n\nretry: 5x\ndata: 2\n\nretry:\ndata: 3\n\n", []Event{{Data: "1", Retry: 5 * time.Millisecond}, {Data: "2", Retry: 5 * time.Millisecond}, {Data: "3", Retry: 5 * time.Millisecond}}},
		{"unknown fields", "datum: 1\nDATA: 1\n data: 1\ndata : 1\ndata: 2\n\n", []Event{{Data: "2"}}},
		{"cut", "data: 1\n\ndata: 2\n", []Event{{Data: "1"}}},
	}
	for _, tt := range tests {
		for size := 1; size <= len(tt.stream); size++ {
			if got := parse(t, []byte(tt.stream), size); !slices.Equal(got, tt.want) {
				t.Errorf("%s in pieces of %d:\ngot  %+v\nwant %+v", tt.name, size, got, tt.want)
				break
			}
		}
	}
}

func parse(t testing.TB, stream []byte, size int) []Event {
	t.Helper()
	var p Parser
	var out []Event
	for piece := range slices.Chunk(stream, size) {
		events, err := p.Feed(piece)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, events...)
	}
	return out
}

func TestParserIsBounded(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"x", ": x", "data: 16 bytes.\n"} {
		var p Parser
		piece := []byte(strings.Repeat(line, 1<<20))
		var err error
		for n := 0; n < 40 && err == nil; n++ {
			_, err = p.Feed(piece)
		}
		if err != ErrTooLarge {
			t.Errorf("%q without end: %v", line, err)
		}
	}
}

// TestBound: the largest frame is read, and one byte more is refused for good, whatever the pieces are.
func TestBound(t *testing.T) {
	t.Parallel()
	const room = 100
	for line, want := range map[int]error{room - 1: nil, room: nil, room + 1: ErrTooLarge} {
		wantID, wantEvents := "1", 2
		if want != nil {
			wantID, wantEvents = "0", 0 // the last id dispatched before
		}
		stream := []byte("id: 1\ndata:" + strings.Repeat("x", line-len("data:")) + "\n\ndata: 2\n\n")
		for _, size := range []int{1, 7, len(stream)} {
			p := Parser{data: full[: maxParsed-room : maxParsed-room], id: "0", begun: true}
			var n int
			var err error
			for piece := range slices.Chunk(stream, size) {
				var events []Event
				events, err = p.Feed(piece)
				n += len(events)
			}
			if err != want || n != wantEvents || p.LastEventID() != wantID {
				t.Fatalf("a line of %d with room for %d, in pieces of %d: %d events, id %q, %v", line, room, size, n, p.LastEventID(), err)
			}
			if _, err := p.Feed([]byte("\n\ndata: 3\n\n")); err != want {
				t.Fatalf("a line of %d, and then: %v", line, err)
			}
		}
	}
}

// full is the longest content of a frame. Tests must not write to it.
var full = make([]byte, maxParsed)

// TestAllocations: Frame allocates once, and appending not at all if there is room.
func TestAllocations(t *testing.T) {
	data, now := []byte(`{"id":"577cf185e2039b0900000016"}`), time.Now()
	if n := testing.AllocsPerRun(100, func() {
		Frame(1795219523000053, 1795219523000053, `a"b`, true, "customer", "s", data, FramesName, 10*time.Second)
	}); n != 1 {
		t.Errorf("Frame allocates %v times", n)
	}
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		dst = AppendInit(dst[:0], "41", time.Second)
		dst = AppendPing(dst, 41, now)
		dst = AppendWhole(dst, 42, 42, "goal", true, "c", "s", data, FramesPublish, time.Second)
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
		frame := Frame(id, int64(id), name, true, collection, stream, []byte(data), mode, time.Second).Bare()
		events := parse(t, frame, 7)
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
		if whole := AppendWhole(nil, id, int64(id), name, true, collection, stream, []byte(data), mode, time.Second); string(whole) != string(frame) {
			t.Fatalf("appended %q, as a frame %q", whole, frame)
		}
		if cap(frame) > len(frame)+frameOverhead {
			t.Fatalf("%d bytes for a frame of %d", cap(frame), len(frame))
		}
	})
}

// reference reads a whole stream, rule by rule in the order of the HTML standard 9.2.6.
func reference(stream string) []Event {
	var out []Event
	var event Event
	var data strings.Builder
	var id string
	stream = strings.TrimPrefix(stream, "\ufeff")
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n"), "\n")
	for _, line := range lines[:len(lines)-1] { // what follows the last line end is no line yet
		field, value := line, ""
		if i := strings.IndexByte(line, ':'); i >= 0 {
			field, value = line[:i], strings.TrimPrefix(line[i+1:], " ")
		}
		switch {
		case line == "":
			event.ID = id
			if event.Data = strings.TrimSuffix(data.String(), "\n"); data.Len() > 0 {
				out = append(out, event)
			}
			data.Reset()
			event.Name = ""
		case field == "event":
			event.Name = value
		case field == "data":
			data.WriteString(value + "\n")
		case field == "id" && !strings.Contains(value, "\x00"):
			id = value
		case field == "retry" && value != "" && strings.Trim(value, "0123456789") == "":
			if ms, err := strconv.ParseInt(value, 10, 32); err == nil { // larger ones are not taken
				event.Retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
	return out
}

// FuzzParse: a stream in any pieces is read as the standard demands for the whole.
func FuzzParse(f *testing.F) {
	f.Add([]byte("id: 1\r\ndata: x\r\n\r\nretry: 3\rdata\r\r"), 1)
	f.Add([]byte("\ufeff: c\ndata:\n\n\x00"), 2)
	f.Add([]byte("id: 1\x00\nid\nevent: a\nretry: 0\ndata: 1\n\nretry: 99999999999\ndata:  2\r\n\r"), 3)
	f.Add([]byte("\ufeff\ufeffdata: 1\n\n:data: 2\n\n data: 3\n\nevent: b\n\ndata\n\n"), 1)
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		if size < 1 || len(stream) == 0 {
			return
		}
		want := reference(string(stream))
		for _, n := range []int{size, len(stream)} {
			if got := parse(t, stream, n); !slices.Equal(got, want) {
				t.Fatalf("in pieces of %d: %+v\nwant %+v", n, got, want)
			}
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	data := []byte(`{"id":"577cf185e2039b0900000016","text":"` + strings.Repeat("x", 150) + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		Frame(1795219523000053, 1795219523000053, "put", false, "customer", "", data, FramesName, 10*time.Second)
	}
}
