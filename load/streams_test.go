package load

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// heard notes what streams report.
type heard struct {
	texts map[int]string
	notes []string
}

func (h *heard) answered(stream int, status string) error {
	h.notes = append(h.notes, fmt.Sprint(stream, " ", status))
	return nil
}

func (h *heard) data(stream int, p []byte) error { h.texts[stream] += string(p); return nil }

func (h *heard) ended(stream int) error {
	h.notes = append(h.notes, fmt.Sprint(stream, " ended"))
	return nil
}

// block is a head in HPACK, with entries of the dynamic table.
func block(out *hpack.Encoder, b *bytes.Buffer, status string) []byte {
	b.Reset()
	for _, f := range [][2]string{{":status", status}, {"content-type", "text/event-stream"}, {"x-own", "some value"}} {
		_ = out.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	return bytes.Clone(b.Bytes())
}

// Frames of several streams are separated in pieces of any size, and pings and settings are answered.
func TestStreamsInPieces(t *testing.T) {
	var wire, fields bytes.Buffer
	frames, out := http2.NewFramer(&wire, nil), hpack.NewEncoder(&fields)
	long := strings.Repeat("x", 3000)
	err := errors.Join(
		frames.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 100}), frames.WriteSettingsAck(), frames.WriteWindowUpdate(0, 100),
		frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(out, &fields, "103"), EndHeaders: true}),
		frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(out, &fields, "200"), EndHeaders: true, PadLength: 3}),
		frames.WriteData(1, false, []byte("one")),
		frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block(out, &fields, "200"), EndHeaders: true}),
		frames.WriteDataPadded(3, false, []byte(long), make([]byte, 7)),
		frames.WritePing(false, [8]byte{7}), frames.WritePing(true, [8]byte{8}),
		frames.WriteData(1, true, []byte(" two")),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 2, 8, 9, 10, 1000, wire.Len()} {
		s, h := newStreams(2), &heard{texts: map[int]string{}}
		for p := wire.Bytes(); len(p) > 0; {
			n := min(size, len(p))
			if err := s.feed(p[:n], h); err != nil {
				t.Fatalf("in pieces of %d: %v", size, err)
			}
			p = p[n:]
		}
		if got := strings.Join(h.notes, ", "); got != "0 200, 1 200, 0 ended" || h.texts[0] != "one two" || h.texts[1] != long {
			t.Errorf("in pieces of %d: %s; %d and %d bytes", size, got, len(h.texts[0]), len(h.texts[1]))
		}
		if want := "\x00\x00\x00\x04\x01\x00\x00\x00\x00" + "\x00\x00\x08\x06\x01\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00"; s.replies.String() != want {
			t.Errorf("in pieces of %d: answers %q, want %q", size, s.replies.String(), want)
		}
	}
}

// What a server must not send, and what ends a run, is an error.
func TestStreamsRefuse(t *testing.T) {
	for name, write := range map[string]func(*http2.Framer) error{
		"a reset":                      func(f *http2.Framer) error { return f.WriteRSTStream(1, http2.ErrCodeRefusedStream) },
		"an end":                       func(f *http2.Framer) error { return f.WriteGoAway(1, http2.ErrCodeNo, nil) },
		"a stream that was not opened": func(f *http2.Framer) error { return f.WriteData(5, false, []byte("x")) },
		"a frame that is too long":     func(f *http2.Framer) error { return f.WriteData(1, false, make([]byte, mostFrame+1)) },
		"a head that is no HPACK": func(f *http2.Framer) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff}, EndHeaders: true})
		},
		"a head in several frames": func(f *http2.Framer) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x88}})
		},
		"a setting that is out of range": func(f *http2.Framer) error { return f.WriteRawFrame(http2.FrameSettings, 0, 0, []byte{1}) },
	} {
		var wire bytes.Buffer
		if err := write(http2.NewFramer(&wire, nil)); err != nil {
			t.Fatal(err)
		}
		if err := newStreams(2).feed(wire.Bytes(), &heard{texts: map[int]string{}}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// The server may send again what it has sent, for the stream and for the connection, once half of the window is used.
func TestStreamsGrant(t *testing.T) {
	s := newStreams(2)
	var wire bytes.Buffer
	if err := http2.NewFramer(&wire, nil).WriteData(3, false, []byte("12345")); err != nil {
		t.Fatal(err)
	}
	s.unacked = []uint32{window/2 + 1, window/2 - 4, window/2 - 5}
	for range 2 {
		if err := s.feed(wire.Bytes(), &heard{texts: map[int]string{}}); err != nil {
			t.Fatal(err)
		}
	}
	frames := http2.NewFramer(nil, &s.replies)
	for _, want := range []http2.WindowUpdateFrame{{FrameHeader: http2.FrameHeader{StreamID: 3}, Increment: window/2 + 1}, {Increment: window/2 + 5}} {
		f, err := frames.ReadFrame()
		got, ok := f.(*http2.WindowUpdateFrame)
		if err != nil || !ok || got.Header().StreamID != want.StreamID || got.Increment != want.Increment {
			t.Errorf("%v %v, want %d more for stream %d", f, err, want.Increment, want.StreamID)
		}
	}
	if fmt.Sprint(s.unacked) != fmt.Sprint([]uint32{window/2 + 1, 5, 0}) {
		t.Errorf("%v", s.unacked)
	}
}

// A request of HTTP/2 has what that of HTTP/1.1 would have.
func TestStreamsRequest(t *testing.T) {
	got := newStreams(3).request(2, "GET /realtime?channels=a HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nX-APIKey: a:b\r\n\r\n")
	frames := http2.NewFramer(nil, bytes.NewReader(got))
	frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f, err := frames.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	head, text := f.(*http2.MetaHeadersFrame), ""
	for _, field := range head.Fields {
		text += field.Name + "=" + field.Value + " "
	}
	if want := ":method=GET :scheme=https :path=/realtime?channels=a :authority=localhost accept=text/event-stream x-apikey=a:b "; text != want || head.StreamID != 5 || !head.StreamEnded() {
		t.Errorf("stream %d: %s, want %s", head.StreamID, text, want)
	}
}
