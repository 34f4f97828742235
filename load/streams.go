package load

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Names of protocols in TLS.
const (
	protocolHTTP1 = "http/1.1"
	protocolHTTP2 = "h2"
)

// streams are the streams of one HTTP/2 connection. It parses the bytes that arrive in pieces of any size, and makes those
// to send. Stream i has the number 2i+1: RFC 9113, section 5.1.1.
type streams struct {
	n       int    // how many there are at most
	rest    []byte // the part of a frame that has arrived
	fields  *hpack.Decoder
	unacked []uint32 // bytes that have arrived and are not granted again: of each stream, and of the connection at the end
	replies bytes.Buffer
	frames  *http2.Framer // writes to replies
}

// events is what streams report.
type events interface {
	answered(stream int, status string) error
	data(stream int, p []byte) error
	ended(stream int) error
}

// window is how many bytes the server may send before we grant more. It is the greatest, so that only TCP slows a server.
const window = 1<<31 - 1

// frameHead is the length of a frame's head, and mostFrame of what follows it: RFC 9113, sections 4.1 and 4.2.
const (
	frameHead = 9
	mostFrame = 1 << 14
)

func newStreams(n int) *streams {
	s := &streams{n: n, fields: hpack.NewDecoder(4096, nil), unacked: make([]uint32, n+1)}
	s.frames = http2.NewFramer(&s.replies, nil)
	return s
}

// preface is what a client sends first.
func (s *streams) preface() []byte {
	var b bytes.Buffer
	b.WriteString(http2.ClientPreface)
	frames := http2.NewFramer(&b, nil)
	_ = frames.WriteSettings(http2.Setting{ID: http2.SettingEnablePush}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
	_ = frames.WriteWindowUpdate(0, window-65535) // a buffer takes all
	return b.Bytes()
}

// request makes the frame of a request out of the head that HTTP/1.1 would send. The goroutine that opens streams may call
// it while another one feeds.
func (s *streams) request(stream int, head string) []byte {
	var fields, b bytes.Buffer
	out := hpack.NewEncoder(&fields)
	out.SetMaxDynamicTableSize(0) // each request has an encoder of its own
	write := func(name, value string) { _ = out.WriteField(hpack.HeaderField{Name: name, Value: value}) }
	lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
	first := strings.Fields(lines[0])
	write(":method", first[0])
	write(":scheme", "https")
	write(":path", first[1])
	write(":authority", "localhost")
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		if name = strings.ToLower(strings.TrimSpace(name)); name != "host" {
			write(name, strings.TrimSpace(value))
		}
	}
	_ = http2.NewFramer(&b, nil).WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*stream + 1), BlockFragment: fields.Bytes(), EndStream: true, EndHeaders: true})
	return b.Bytes()
}

// feed reports what the next piece has. What is to be sent then is in replies.
func (s *streams) feed(p []byte, to events) error {
	if len(s.rest) > 0 {
		p = append(s.rest, p...)
	}
	for len(p) >= frameHead {
		length := int(p[0])<<16 | int(p[1])<<8 | int(p[2])
		if length > mostFrame {
			return fmt.Errorf("a frame has %d bytes, and %d are allowed", length, mostFrame)
		}
		if len(p) < frameHead+length {
			break
		}
		frames := http2.NewFramer(nil, bytes.NewReader(p[:frameHead+length]))
		p = p[frameHead+length:]
		frame, err := frames.ReadFrame()
		if err == nil {
			err = s.take(frame, to)
		}
		if err != nil {
			return fmt.Errorf("HTTP/2: %w", err)
		}
	}
	s.rest = append(s.rest[:0:0], p...)
	return nil
}

func (s *streams) take(frame http2.Frame, to events) error {
	stream := int(frame.Header().StreamID) / 2
	if stream >= s.n {
		return fmt.Errorf("a frame of stream %d, which was not opened", frame.Header().StreamID)
	}
	switch f := frame.(type) {
	case *http2.DataFrame:
		if err := s.grant(stream, f.Header().StreamID, f.Header().Length); err != nil {
			return err
		}
		if err := to.data(stream, f.Data()); err != nil {
			return err
		}
		return s.ends(stream, f.StreamEnded(), to)
	case *http2.HeadersFrame:
		if !f.HeadersEnded() {
			return fmt.Errorf("an answer's head is longer than %d bytes", mostFrame)
		}
		fields, err := s.fields.DecodeFull(f.HeaderBlockFragment())
		if err != nil {
			return fmt.Errorf("reading an answer's head: %w", err)
		}
		for _, field := range fields {
			if field.Name == ":status" && field.Value[:1] != "1" {
				if err := to.answered(stream, field.Value); err != nil {
					return err
				}
			}
		}
		return s.ends(stream, f.StreamEnded(), to)
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return s.frames.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return s.frames.WritePing(true, f.Data)
		}
	case *http2.RSTStreamFrame:
		return fmt.Errorf("the server reset a stream: %s", f.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Errorf("the server ends the connection: %s %.100q", f.ErrCode, f.DebugData())
	}
	return nil
}

func (s *streams) ends(stream int, ended bool, to events) error {
	if !ended {
		return nil
	}
	return to.ended(stream)
}

// grant lets the server send as many bytes again, once half of the window is used.
func (s *streams) grant(stream int, id, n uint32) error {
	for _, one := range []struct {
		at int
		id uint32
	}{{stream, id}, {s.n, 0}} {
		if s.unacked[one.at] += n; s.unacked[one.at] > window/2 {
			if err := s.frames.WriteWindowUpdate(one.id, s.unacked[one.at]); err != nil {
				return err
			}
			s.unacked[one.at] = 0
		}
	}
	return nil
}
