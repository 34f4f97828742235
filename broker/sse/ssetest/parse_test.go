package ssetest

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestWHATWG holds the parser to the examples and rules of the HTML standard, 9.2.6 and 9.2.7.
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

// TestBound: the largest block is read, one byte more is refused for good, cut anywhere.
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

// full is all that a block may hold, never written to.
var full = make([]byte, maxParsed)

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

// FuzzParse: a stream cut anywhere is read as the standard reads it whole.
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
