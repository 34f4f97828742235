package handlers_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

const handshake = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

// rawSocket is a socket whose client sends and reads bytes.
type rawSocket struct {
	*gatewaytest.Conn
	in *bufio.Reader
}

// socketDoors are the paths of the doors with sockets, each with a message and the beginning of its answer.
func socketDoors(t *testing.T, g *gateway) map[string][2]string {
	t.Helper()
	return map[string][2]string{
		"/room/" + g.NewRoom(t) + "/connect":              {`{"type":"ping","nonce":7}`, `{"type":"pong","nonce":7}`},
		"/websocket?access_token=" + gatewaytest.KeyItems: {`{"type":"ping","uid":"7"}`, `{"type":"pong","uid":"7"}`},
	}
}

// openSocket opens a socket and reads the head of the answer. Bytes may follow the request at once.
func (g *gateway) openSocket(t *testing.T, path, first string) *rawSocket {
	t.Helper()
	c := g.Dial(t, "GET "+path+" HTTP/1.1\r\n"+handshake+first)
	s := &rawSocket{c, bufio.NewReader(c)}
	answer, err := http.ReadResponse(s.in, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(answer, err)
	}
	return s
}

// expect reads until a text has come.
func (s *rawSocket) expect(t *testing.T, want string) {
	t.Helper()
	var got strings.Builder
	for !strings.HasSuffix(got.String(), want) {
		b, err := s.in.ReadByte()
		if err != nil {
			t.Fatalf("%v after %q, want %q", err, got.String(), want)
		}
		got.WriteByte(b)
	}
}

// TestSocketsByteByByte: frames may come in any pieces, with the request, many at once, and with control frames between.
func TestSocketsByteByByte(t *testing.T) {
	t.Parallel()
	gatewaytest.EveryWriter(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, gatewaytest.WithItems)
		for path, say := range socketDoors(t, g) {
			s := g.openSocket(t, path, maskedFrame(say[0])+maskedFrame(say[0])[:3])
			s.expect(t, say[1])
			for _, b := range []byte(maskedFrame(say[0])[3:] + "\x89\x81\x00\x00\x00\x00p" + maskedFrame(say[0])) {
				if _, err := s.Write([]byte{b}); err != nil {
					t.Fatal(err)
				}
			}
			s.expect(t, say[1])
			s.expect(t, "\x8a\x01p")
			s.expect(t, say[1])
			if _, err := io.WriteString(s, strings.Repeat(maskedFrame(say[0]), 50)); err != nil {
				t.Fatal(err)
			}
			for range 50 {
				s.expect(t, say[1])
			}
			s.Close()
		}
		g.AwaitStreams(t, 0)
	})
}

// TestSocketsHalfFrames: what has begun to arrive must be there in time, a head as well as a message, in whatever pieces; a
// message that is there in time begins a new time.
func TestSocketsHalfFrames(t *testing.T) {
	t.Parallel()
	gatewaytest.EveryWriter(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, gatewaytest.WithItems, func(s *setup) { s.ReadTimeout = 300 * time.Millisecond })
		for path, say := range socketDoors(t, g) {
			frame := maskedFrame(say[0])
			for _, half := range []string{frame[:1], frame[:5], frame[:10], "\x01" + frame[1:], "\x01" + frame[1:] + "\x89\x80\x00\x00\x00\x00"} {
				s := g.openSocket(t, path, frame)
				s.expect(t, say[1])
				if _, err := io.WriteString(s, half); err != nil {
					t.Fatal(err)
				}
				g.AwaitStreams(t, 0)
				s.Close()
			}
		}
	})
}

// TestSocketsBeginInTheMidst: a client that goes on sending is not late, though what arrives always ends in the midst of a message.
func TestSocketsBeginInTheMidst(t *testing.T) {
	t.Parallel()
	gatewaytest.EveryWriter(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, gatewaytest.WithItems, func(s *setup) { s.ReadTimeout = time.Second })
		for path, say := range socketDoors(t, g) {
			frame := maskedFrame(say[0])
			s := g.openSocket(t, path, frame[:3])
			for range 5 {
				pause(t, s)
				if _, err := io.WriteString(s, frame[3:]+frame[:3]); err != nil {
					t.Fatal(err)
				}
				s.expect(t, say[1])
			}
			s.Close()
		}
		g.AwaitStreams(t, 0)
	})
}

// pause waits for 400 ms, in which the gateway must say nothing.
func pause(t *testing.T, s *rawSocket) {
	t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(400 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if b, err := s.in.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%x %v", b, err)
	}
	if err := s.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
}

// TestSocketsFloods: who sends and does not read makes the gateway hold little, and is ended as slow; others go on.
func TestSocketsFloods(t *testing.T) {
	t.Parallel()
	gatewaytest.EveryWriter(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, gatewaytest.WithItems, func(s *setup) { s.WriteTimeout, s.RoomConnectionRate = time.Second, 1<<20 })
		g.RunAll(t, []scenario{{Name: "made", Method: "POST", Path: "/items/m", Key: gatewaytest.KeyItems, Body: `{"id":"1","a":"` + strings.Repeat("x", 5000) + `"}`, Status: 200}})
		ping := "\x89\xfd\x00\x00\x00\x00" + strings.Repeat("p", 125)
		for path, say := range socketDoors(t, g) {
			read := `{"type":"get","key":"k"}`
			if strings.HasPrefix(path, "/websocket") {
				read = `{"type":"items","collection":"m","action":"read"}`
			} else {
				g.Push(t, strings.Split(path, "/")[2], `{"type":"push","key":"k","value":"`+strings.Repeat("x", 5000)+`","action":{"type":"replace"}}`)
			}
			for name, frame := range map[string]string{"pings": ping, "messages": maskedFrame(read)} {
				calm := g.openSocket(t, path, "")
				before := inUse()
				for range 3 {
					s := g.openSocket(t, path, "")
					if err := s.TCP.SetReadBuffer(4 << 10); err != nil {
						t.Fatal(err)
					}
					go func() {
						many := strings.Repeat(frame, 500)
						for range 1000 { // up to 60 MB, until the gateway does not read or ends it
							if _, err := io.WriteString(s, many); err != nil {
								return
							}
						}
					}()
				}
				g.AwaitStreams(t, 4)
				gatewaytest.Until(t, func() error {
					if g.Traffic.Streams() <= 1 {
						return nil
					}
					if _, err := io.WriteString(calm, maskedFrame(say[0])); err != nil {
						t.Fatal(err)
					}
					calm.expect(t, say[1])
					return fmt.Errorf("%s of %s: %d are still there", name, path, g.Traffic.Streams()-1)
				})
				if held := inUse(); held > before+32<<20 {
					t.Errorf("%s of %s: the heap was %d bytes and is %d", name, path, before, held)
				}
				calm.Close()
				g.AwaitStreams(t, 0)
			}
		}
	})
}

// inUse is the heap without garbage.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestSocketsVanish: sockets that come in crowds and go in any way leave nothing behind, whatever was going on.
func TestSocketsVanish(t *testing.T) {
	t.Parallel()
	gatewaytest.EveryWriter(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, gatewaytest.WithItems, func(s *setup) {
			s.MaxRoomConnections, s.ReadTimeout, s.WriteTimeout = 1000, time.Hour, time.Hour // no time limit ends them
		})
		for path, say := range socketDoors(t, g) {
			frame := maskedFrame(say[0])
			for i := range 60 {
				part := frame[:i%len(frame)]
				if i%4 == 2 {
					part = "" // a close would be taken for the rest
				}
				c := g.Dial(t, "GET "+path+" HTTP/1.1\r\n"+handshake+strings.Repeat(frame, i%3)+part)
				switch i % 4 {
				case 0:
					_ = c.TCP.SetLinger(0) // a reset
				case 1:
					_ = c.CloseWrite() // the other half stays open
					continue
				case 2:
					_, _ = io.WriteString(c, "\x88\x80\x00\x00\x00\x00")
					continue
				}
				c.Close()
			}
		}
		gatewaytest.Until(t, func() error {
			if n, m := g.Traffic.Streams(), g.Broker.Count(); n != 0 || m != 0 || g.Memory.Held() != 0 {
				return fmt.Errorf("%d streams, %d subscribers and %d bytes are left", n, m, g.Memory.Held())
			}
			return nil
		})
	})
}

// TestSocketsMakeSendersWait: a client that does not read what it asks for is not read either, so that its own system stores
// what it sends, however long it may take to read.
func TestSocketsMakeSendersWait(t *testing.T) {
	t.Parallel()
	gatewaytest.EveryWriter(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, gatewaytest.WithItems, func(s *setup) { s.WriteTimeout = time.Hour })
		for path := range socketDoors(t, g) {
			s := g.openSocket(t, path, "")
			if err := s.TCP.SetReadBuffer(4 << 10); err != nil {
				t.Fatal(err)
			}
			many := strings.Repeat("\x89\xfd\x00\x00\x00\x00"+strings.Repeat("p", 125), 5000)
			sent := 0
			for sent < 64<<20 {
				if err := s.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
					t.Fatal(err)
				}
				n, err := io.WriteString(s, many)
				if sent += n; err != nil {
					break
				}
			}
			if sent >= 64<<20 {
				t.Errorf("%s: the gateway has taken %d bytes of pings, and the client none of the pongs", path, sent)
			}
			s.Close()
		}
		g.AwaitStreams(t, 0)
	})
}

// TestSocketsSameBytes: both writers say the same to the same client, to the last byte.
func TestSocketsSameBytes(t *testing.T) {
	t.Parallel()
	told := map[int]map[string]string{}
	for _, shards := range []int{1, -1} {
		g := newGateway(t, gatewaytest.WithItems, func(s *setup) { s.Shards = shards })
		told[shards] = map[string]string{}
		for path, say := range socketDoors(t, g) {
			door, _, _ := strings.Cut(path[1:], "/")
			for name, last := range map[string]string{"close": "\x88\x82\x00\x00\x00\x00\x03\xe8", "no code": "\x88\x80\x00\x00\x00\x00", "fault": "\x81\x00", "bad code": "\x88\x82\x00\x00\x00\x00\x00\x01"} {
				s := g.openSocket(t, path, "")
				for _, one := range []string{say[0], "nonsense", say[0]} {
					if _, err := io.WriteString(s, maskedFrame(one)); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := io.WriteString(s, "\x89\x81\x00\x00\x00\x00p"+last); err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(s.in)
				if err != nil {
					t.Errorf("%s, %s, %d shards: %v", door, name, shards, err)
				}
				told[shards][door+" "+name] = string(text)
				s.Close()
			}
		}
	}
	for name, text := range told[1] {
		if other := told[-1][name]; other != text || !strings.Contains(text, "\x8a\x01p\x88") {
			t.Errorf("%s: the shared writer says\n%q\nand the other\n%q", name, text, other)
		}
	}
}
