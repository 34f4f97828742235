package handlers_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sluice/gateway/gatewaytest"
)

// framesConn is a client of HTTP/2 that sends the frames that it likes.
type framesConn struct {
	*tls.Conn
	*http2.Framer
	fields  bytes.Buffer
	encoder *hpack.Encoder
	ended   atomic.Uint32 // by the gateway: the code of its GOAWAY, and 1
	data    atomic.Int64  // bytes of bodies
}

// frames opens a connection. windows is the first window of each stream.
func (g *gateway) frames(t *testing.T, window uint32) *framesConn {
	t.Helper()
	c, err := tls.Dial("tcp", g.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	f := &framesConn{Conn: c, Framer: http2.NewFramer(c, c)}
	f.encoder = hpack.NewEncoder(&f.fields)
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteWindowUpdate(0, 1<<30); err != nil { // of the connection
		t.Fatal(err)
	}
	return f
}

// listen reads what the gateway sends, until the connection ends.
func (f *framesConn) listen() {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.GoAwayFrame:
			f.ended.Store(uint32(frame.ErrCode) + 1)
		case *http2.DataFrame:
			f.data.Add(int64(len(frame.Data())))
		}
	}
}

// block is the compressed head of a request for a stream.
func (f *framesConn) block(t *testing.T, path string) []byte {
	t.Helper()
	f.fields.Reset()
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "x"}, {":path", path}, {"x-apikey", gatewaytest.KeyAll}} {
		if err := f.encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			t.Fatal(err)
		}
	}
	return f.fields.Bytes()
}

func (f *framesConn) open(t *testing.T, stream uint32, path string) error {
	t.Helper()
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.block(t, path), EndStream: true, EndHeaders: true})
}

// TestRapidResets: streams that are reset as soon as they are opened (CVE-2023-44487) leave nothing behind, and are in nobody's
// way. A client that resets faster than its requests can begin is ended.
func TestRapidResets(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.TLS = true })
	calm := g.Stream(t, gatewaytest.KeyAll, "?channels=fine")
	f := g.frames(t, 65535)
	go f.listen() // ends with the connection
	opened := 0
	for ; opened < 20_000; opened++ {
		stream := uint32(2*opened + 1)
		if f.open(t, stream, "/realtime") != nil || f.WriteRSTStream(stream, http2.ErrCodeCancel) != nil {
			break
		}
	}
	if code := f.ended.Load(); code != 0 && http2.ErrCode(code-1) != http2.ErrCodeEnhanceYourCalm {
		t.Errorf("it was ended with %v", http2.ErrCode(code-1))
	}
	id := g.Publish(t, `{"event":"fine"}`)
	if e := calm.Event(t); e.ID != id {
		t.Errorf("the other client got %+v", e)
	}
	g.AwaitStreams(t, 1)
	g.AwaitSubscribers(t, 1)
}

// TestEndlessHead: a head that never ends is refused once it is too long, in whatever pieces it comes.
func TestEndlessHead(t *testing.T) {
	t.Parallel()
	for _, piece := range []int{1, 100, 16 << 10} {
		t.Run(fmt.Sprint(piece), func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, func(s *setup) { s.TLS = true })
			f := g.frames(t, 65535)
			go f.listen() // ends with the connection
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.block(t, "/realtime")}); err != nil {
				t.Fatal(err)
			}
			// Fields that are not indexed, with the name a and a value of 100 bytes.
			field := "\x00\x01a\x64" + strings.Repeat("x", 100)
			endless := []byte(strings.Repeat(field, 1000))
			sent := 0
			for err := error(nil); err == nil && sent < 8<<20; sent += piece {
				at := sent % len(field)
				err = f.WriteContinuation(1, false, endless[at:at+piece])
			}
			gatewaytest.Until(t, func() error {
				if f.ended.Load() == 0 {
					return errors.New("it was not ended")
				}
				return nil
			})
			if code := http2.ErrCode(f.ended.Load() - 1); sent >= 8<<20 || code == http2.ErrCodeNo {
				t.Errorf("%d bytes were taken, and the code is %v", sent, code)
			}
			if n := g.Traffic.Streams(); n != 0 {
				t.Errorf("%d streams", n)
			}
		})
	}
}

// TestClosedWindows: a client with many streams that lets nothing through holds little memory. Its streams end as slow, one by one,
// and another stream of its connection goes on.
func TestClosedWindows(t *testing.T) { // not parallel: it looks at the heap
	for name, first := range map[string]uint32{"none": 0, "a byte": 1, "half of a frame": 3000} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, func(s *setup) { s.TLS, s.WriteTimeout = true, time.Second })
			f := g.frames(t, first)
			go f.listen() // ends with the connection
			const streams = 100
			for i := range uint32(streams) {
				if err := f.open(t, 2*i+1, "/realtime?channels=large"); err != nil {
					t.Fatal(err)
				}
			}
			gatewaytest.Until(t, func() error {
				if n := g.Traffic.Streams(); n < streams {
					return fmt.Errorf("%d streams", n)
				}
				return nil
			})
			const calm = 2*streams + 1
			if err := f.open(t, calm, "/realtime?channels=fine"); err != nil {
				t.Fatal(err)
			}
			if err := f.WriteWindowUpdate(calm, 1<<20); err != nil {
				t.Fatal(err)
			}
			before := inUse()
			g.Put(t, gatewaytest.Events(20, "large", 50_000)...)
			g.AwaitMetric(t, fmt.Sprintf(`sluice_streams_ended_total{reason="slow"} %d`, streams))
			if held := inUse(); held > before+32<<20 {
				t.Errorf("the heap was %d bytes and is %d", before, held)
			}
			got := f.data.Load()
			g.Put(t, gatewaytest.Events(1, "fine", 1000)...)
			gatewaytest.Until(t, func() error {
				if n := f.data.Load() - got; n < 1000 {
					return fmt.Errorf("the other stream got %d bytes, code %d", n, f.ended.Load())
				}
				return nil
			})
			g.AwaitStreams(t, 1)
		})
	}
}
