package realtime_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"sluice/gateway/gatewaytest"
)

// forger sends records of TLS 1.3 that no well-behaved client sends: it has the keys of a real client.
type forger struct {
	*tls.Conn
	t      *testing.T
	raw    *recorder
	suite  uint16
	secret []byte
	sent   uint64 // records with this secret
}

// recorder has what a client has received, and what it has sent first.
type recorder struct {
	net.Conn
	got   []byte
	first []byte
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.first == nil {
		r.first = bytes.Clone(b)
	}
	return r.Conn.Write(b)
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.got = append(r.got, b[:n]...)
	return n, err
}

// Types of records, and messages of a handshake: RFC 8446, B.1 and B.3.
const (
	alertRecord, handshakeRecord, dataRecord = 21, 22, 23

	keyUpdate          = "\x18\x00\x00\x01\x00"
	keyUpdateRequested = "\x18\x00\x00\x01\x01"
)

// forge opens a stream over TLS.
func forge(t *testing.T, g *gateway) *forger {
	t.Helper()
	f := shake(t, g)
	if _, err := f.raw.Write(f.seal(dataRecord, gatewaytest.Get(gatewaytest.KeyAll, ""), 0)); err != nil {
		t.Fatal(err)
	}
	g.AwaitSubscribers(t, 1)
	return f
}

// shake opens a connection over TLS.
func shake(t *testing.T, g *gateway) *forger {
	t.Helper()
	c, err := net.Dial("tcp", g.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	raw := &recorder{Conn: c}
	t.Cleanup(func() { raw.Close() })
	if err := raw.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var keys bytes.Buffer
	f := &forger{Conn: tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, KeyLogWriter: &keys}), t: t, raw: raw}
	if err := f.Handshake(); err != nil {
		t.Fatal(err)
	}
	f.suite = f.ConnectionState().CipherSuite
	for line := range strings.Lines(keys.String()) {
		if parts := strings.Fields(line); parts[0] == "CLIENT_TRAFFIC_SECRET_0" {
			if f.secret, err = hex.DecodeString(parts[2]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return f
}

// expand is HKDF-Expand-Label without a context: RFC 8446, 7.1.
func (f *forger) expand(label string, length int) []byte {
	label = "tls13 " + label
	info := append(binary.BigEndian.AppendUint16(nil, uint16(length)), byte(len(label)))
	out, err := hkdf.Expand(sha256.New, f.secret, string(append(append(info, label...), 0)), length)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// seal makes a record: RFC 8446, 5.2 and 5.3.
func (f *forger) seal(kind byte, content string, padding int) []byte {
	f.t.Helper()
	var aead cipher.AEAD
	var err error
	switch f.suite {
	case tls.TLS_AES_128_GCM_SHA256:
		var block cipher.Block
		if block, err = aes.NewCipher(f.expand("key", 16)); err == nil {
			aead, err = cipher.NewGCM(block)
		}
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		aead, err = chacha20poly1305.New(f.expand("key", 32))
	default:
		f.t.Fatalf("the suite %x", f.suite)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	nonce := f.expand("iv", 12)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^f.sent)
	f.sent++
	inner := append(append([]byte(content), kind), make([]byte, padding)...)
	head := binary.BigEndian.AppendUint16([]byte{dataRecord, 3, 3}, uint16(len(inner)+16))
	return aead.Seal(head, nonce, inner, head)
}

// update makes the record that changes the client's keys, and changes them.
func (f *forger) update(message string) []byte {
	record := f.seal(handshakeRecord, message, 0)
	f.secret, f.sent = f.expand("traffic upd", 32), 0
	return record
}

// TestHostileTLS: a client that breaks the rules of TLS is cut off, or ignored where it may do what it does. It gets no last
// chunk, and is in nobody's way.
func TestHostileTLS(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		send  func(f *forger) []byte
		lives bool
	}{
		"data":               {func(f *forger) []byte { return f.seal(dataRecord, strings.Repeat("x", 16<<10), 0) }, true},
		"empty data":         {func(f *forger) []byte { return f.seal(dataRecord, "", 100) }, true},
		"a key update":       {func(f *forger) []byte { return append(f.update(keyUpdate), f.seal(dataRecord, "x", 0)...) }, true},
		"a key update asked": {func(f *forger) []byte { return append(f.update(keyUpdateRequested), f.seal(dataRecord, "x", 0)...) }, true},
		"key updates, data": {func(f *forger) (out []byte) {
			for range 500 {
				out = append(append(out, f.update(keyUpdateRequested)...), f.seal(dataRecord, "x", 0)...)
			}
			return out
		}, true},
		"key updates only": {func(f *forger) (out []byte) {
			for range 40 {
				out = append(out, f.update(keyUpdate)...)
			}
			return out
		}, false},
		"empty records": {func(f *forger) (out []byte) {
			for range 3 {
				out = append(out, f.seal(dataRecord, "", 16<<10)...)
			}
			return out
		}, false},
		"a message in parts": {func(f *forger) (out []byte) {
			out = f.seal(handshakeRecord, "\x04\x00\xff\xff", 0) // a ticket of 64 KiB
			for range 3 {
				out = append(out, f.seal(handshakeRecord, strings.Repeat("x", 16<<10), 0)...)
			}
			return out
		}, false},
		"close_notify":         {func(f *forger) []byte { return f.seal(alertRecord, "\x01\x00", 0) }, false},
		"an alert":             {func(f *forger) []byte { return f.seal(alertRecord, "\x02\x28", 0) }, false},
		"a second handshake":   {func(f *forger) []byte { return f.seal(handshakeRecord, "\x01\x00\x00\x02\x03\x03", 0) }, false},
		"an unknown type":      {func(f *forger) []byte { return f.seal(99, "x", 0) }, false},
		"a key update, forged": {func(f *forger) []byte { return f.seal(handshakeRecord, "\x18\x00\x00\x01\x07", 0) }, false},
		"garbage":              {func(f *forger) []byte { return append([]byte{dataRecord, 3, 3, 0, 50}, make([]byte, 50)...) }, false},
		"a record too long":    {func(f *forger) []byte { return []byte{dataRecord, 3, 3, 0x50, 0} }, false},
		"a record again":       {func(f *forger) []byte { r := f.seal(dataRecord, "x", 0); return append(r, r...) }, false},
		"clear text":           {func(f *forger) []byte { return []byte(gatewaytest.Get(gatewaytest.KeyAll, "")) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, func(s *setup) { s.Shards, s.TLS, s.NoHTTP2 = 1, true, true })
			f := forge(t, g)
			if _, err := f.raw.Write(tt.send(f)); err != nil {
				t.Fatal(err)
			}
			if !tt.lives {
				g.AwaitSubscribers(t, 0)
				g.AwaitMetric(t, `sluice_streams_ended_total{reason="gone"} 1`)
				if text, _ := io.ReadAll(f); bytes.HasSuffix(text, []byte("0\r\n\r\n")) {
					t.Errorf("it ended as if it were whole: %q", text)
				}
				return
			}
			id := g.Put(t, gatewaytest.Events(1, "e", 100)...)[0]
			var text []byte
			for buf := make([]byte, 4<<10); !bytes.Contains(text, []byte("id: "+id+"\nevent: e")); {
				n, err := f.Read(buf)
				if text = append(text, buf[:n]...); err != nil {
					t.Fatalf("%v after %q", err, text)
				}
			}
			if n := g.Broker.Count(); n != 1 {
				t.Errorf("%d streams", n)
			}
		})
	}
}

// TestTLSGoodbye: the end of a whole answer has the alert close_notify, as RFC 8446, 6.1 wants. The end of one that is cut has
// none.
func TestTLSGoodbye(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  func(g *gateway)
		want bool
	}{
		"drained": {func(g *gateway) { go g.Traffic.Drain(context.Background(), g.Broker) }, true},
		"cut":     {func(g *gateway) { go g.Realtime.Close() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, func(s *setup) { s.Shards, s.TLS, s.NoHTTP2 = 1, true, true })
			f := forge(t, g)
			tt.end(g)
			if _, err := io.ReadAll(f); err != nil {
				t.Error(err)
			}
			record := f.raw.got[max(0, len(f.raw.got)-24):]
			if got := bytes.HasPrefix(record, []byte{dataRecord, 3, 3, 0, 2 + 1 + 16}); got != tt.want {
				t.Errorf("the last bytes are %x", record)
			}
		})
	}
}

// TestTLSReadTooEarly: what crypto/tls has read together with the request is not forgotten.
func TestTLSReadTooEarly(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.Shards, s.TLS, s.NoHTTP2 = 1, true, true })
	f := shake(t, g)
	both := append(f.seal(dataRecord, gatewaytest.Get(gatewaytest.KeyAll, ""), 0), f.seal(alertRecord, "\x01\x00", 0)...)
	if _, err := f.raw.Write(both); err != nil {
		t.Fatal(err)
	}
	g.AwaitMetric(t, `sluice_streams_ended_total{reason="gone"} 1`)
}

// TestTLSAnswersDoNotGather: a client that asks for answers of TLS and takes nothing does not make the gateway store them:
// what it sends is not read, so it cannot send more than the kernel's buffers hold. It counts as slow, as every other.
func TestTLSAnswersDoNotGather(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.Shards, s.TLS, s.NoHTTP2, s.WriteTimeout = 1, true, true, 2*time.Second })
	f := forge(t, g)
	written := g.Written()
	g.Flood(t, "e", 12<<20)
	g.AwaitBlocked(t, written, 100_000)
	sent := 0
	if err := f.raw.Conn.(*net.TCPConn).SetWriteBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if err := f.raw.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := f.raw.Write(append(f.update(keyUpdateRequested), f.seal(dataRecord, "x", 0)...))
		if sent += n; err != nil {
			break // it was closed
		}
	}
	if sent < 10_000 || sent > 128<<10 {
		t.Errorf("%d bytes were sent", sent)
	}
	g.AwaitSubscribers(t, 0)
	g.AwaitMetric(t, `sluice_streams_ended_total{reason="slow"} 1`)
}
