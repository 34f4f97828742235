package writers

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// replaceable is a connection that Listener of the handlers would make.
type replaceable struct{ net.Conn }

func (r *replaceable) Replace(by net.Conn) (before net.Conn) {
	before, r.Conn = r.Conn, by
	return before
}

func (r *replaceable) NetConn() net.Conn { return r.Conn }

// holdingClient is a client whose records are kept instead of sent, while hold is set.
type holdingClient struct {
	*tls.Conn
	hold bool
	held []byte
}

type holdingConn struct {
	net.Conn
	of *holdingClient
}

func (c *holdingConn) Write(b []byte) (int, error) {
	if c.of.hold {
		c.of.held = append(c.of.held, b...)
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// queuedIn returns how many bytes have arrived and are not read.
func queuedIn(t *testing.T, fd int32) int {
	t.Helper()
	n, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// tlsPair is a connection's two ends after the handshake, ours as the shared writer has it.
func tlsPair(t testing.TB, most uint16) (k *socket, client *holdingClient, below *net.TCPConn) {
	t.Helper()
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS()
	certificates.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server := tls.Server(&replaceable{s}, certificates.TLS)
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	client = &holdingClient{}
	client.Conn = tls.Client(&holdingConn{raw, client}, &tls.Config{InsecureSkipVerify: true, MaxVersion: most})
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	fd, secure, err := detach(server, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closeFD(fd)
		raw.Close()
	})
	return &socket{fd: fd, tls: secure}, client, raw.(*net.TCPConn)
}

// versions are those of TLS that the gateway speaks.
var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// Over TLS, too, a write takes from both slices in order, returns how much it took, and never waits. What it keeps is little.
func TestTLSWriteInParts(t *testing.T) {
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			k, client, _ := tlsPair(t, version)
			var want []byte
			for i, full := byte('a'), false; !full; i++ {
				all := append(bytes.Repeat([]byte{i}, 70_001), bytes.Repeat([]byte{i - 32}, 30_001)...)
				n, f, err := k.write(all[:70_001], all[70_001:])
				if err != nil || !f && n < len(all) {
					t.Fatalf("%d of %d taken, %v", n, len(all), err)
				}
				want, full = append(want, all[:n]...), f
				if i == 'z' {
					i = 'a'
				}
			}
			if n := len(k.tls.sealed); n == 0 || n > tlsPiece+1000 || k.tls.lent != nil {
				t.Errorf("%d bytes are kept", n)
			}
			if n, full, err := k.write([]byte("not now"), nil); n != 0 || !full || err != nil {
				t.Errorf("one that takes nothing: %d %v %v", n, full, err)
			}
			read := make(chan []byte)
			go func() {
				got, _ := io.ReadAll(client)
				read <- got
			}()
			for full := true; full; {
				var err error
				if _, full, err = k.write(nil, nil); err != nil {
					t.Fatal(err)
				}
			}
			for full := true; full; {
				var err error
				if full, err = k.tls.closeWrite(); err != nil {
					t.Fatal(err)
				}
			}
			if got := <-read; !bytes.Equal(got, want) {
				t.Errorf("the client got %d bytes, not the %d that were taken", len(got), len(want))
			}
			if k.tls.sealed != nil || k.tls.lent != nil {
				t.Error("something is kept of a connection that took everything")
			}
		})
	}
}

// A read never waits, and a record that arrives in parts is put together.
func TestTLSReadsRecordsInParts(t *testing.T) {
	k, client, below := tlsPair(t, tls.VersionTLS13)
	buf := make([]byte, 100)
	if n, again, err := k.tls.read(buf); n != 0 || !again || err != nil {
		t.Fatalf("a silent one: %d %v %v", n, again, err)
	}
	client.hold = true
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	for i := range client.held {
		before := queuedIn(t, k.fd)
		if _, err := below.Write(client.held[i : i+1]); err != nil {
			t.Fatal(err)
		}
		for queuedIn(t, k.fd) == before {
			runtime.Gosched()
		}
		n, again, err := k.tls.read(buf)
		if last := i == len(client.held)-1; again == last || err != nil || last && string(buf[:n]) != "hello" {
			t.Fatalf("after %d of %d bytes: %q %v %v", i+1, len(client.held), buf[:n], again, err)
		}
	}
}

// What arrives together with the client's last alert, or with a part of it, is read before the end.
func TestTLSReadsWhatIsBeforeTheEnd(t *testing.T) {
	for name, version := range versions {
		for _, part := range []int{0, 1, 6} {
			t.Run(fmt.Sprintf("%s, %d bytes missing", name, part), func(t *testing.T) {
				k, client, below := tlsPair(t, version)
				client.hold = true
				if _, err := client.Write([]byte("last words")); err != nil {
					t.Fatal(err)
				}
				if err := client.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				send := func(b []byte) {
					before := queuedIn(t, k.fd)
					if _, err := below.Write(b); err != nil {
						t.Fatal(err)
					}
					for queuedIn(t, k.fd) < before+len(b) {
						runtime.Gosched()
					}
				}
				if err := below.SetWriteDeadline(time.Time{}); err != nil { // CloseWrite has set one
					t.Fatal(err)
				}
				buf, all := make([]byte, 100), client.held
				send(all[:len(all)-part])
				if n, again, err := k.tls.read(buf); string(buf[:n]) != "last words" || again || err != nil {
					t.Fatalf("%q %v %v", buf[:n], again, err)
				}
				if part > 0 {
					if n, again, err := k.tls.read(buf); n != 0 || !again || err != nil {
						t.Fatalf("before the end: %d %v %v", n, again, err)
					}
					send(all[len(all)-part:])
				}
				if n, again, err := k.tls.read(buf); n != 0 || again || err != io.EOF {
					t.Errorf("at the end: %d %v %v", n, again, err)
				}
			})
		}
	}
}

// While a client takes nothing, nothing of it is read: crypto/tls may have to answer it.
func TestTLSReadsNothingWhileBlocked(t *testing.T) {
	k, client, _ := tlsPair(t, tls.VersionTLS13)
	for !k.blocked {
		var err error
		if _, k.blocked, err = k.write(make([]byte, 100_000), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	for queuedIn(t, k.fd) < 1000 {
		runtime.Gosched()
	}
	before, buf := queuedIn(t, k.fd), make([]byte, 4<<10)
	if alive, more := k.discard(buf); !alive || !more || queuedIn(t, k.fd) != before {
		t.Errorf("alive: %v, more: %v, %d of %d bytes are left", alive, more, queuedIn(t, k.fd), before)
	}
	k.blocked = false
	if alive, more := k.discard(buf); !alive || !more || queuedIn(t, k.fd) != 0 {
		t.Errorf("later, alive: %v, more: %v, %d bytes are left", alive, more, queuedIn(t, k.fd))
	}
	k.phase = ending
	if alive, more := k.discard(buf); !alive || more {
		t.Errorf("at its end, alive: %v, more: %v", alive, more)
	}
}

// The buffers for records are lent, and given back after an error, too.
func TestTLSGivesBuffersBack(t *testing.T) {
	k, client, _ := tlsPair(t, tls.VersionTLS13)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	for buf := make([]byte, 100); ; {
		_, again, err := k.tls.read(buf)
		if err != nil {
			if err != io.EOF {
				t.Errorf("the end is %v", err)
			}
			break
		}
		if !again {
			t.Fatal("it read something")
		}
	}
	for {
		if _, _, err := k.write([]byte("x"), nil); err != nil {
			break // a reset
		}
	}
	if k.tls.lent != nil {
		t.Error("a buffer is still lent")
	}
}

// BenchmarkWrite is an event to a client that reads, without TLS and with it.
func BenchmarkWrite(b *testing.B) {
	fd, clear := pair(b)
	secure, client, _ := tlsPair(b, tls.VersionTLS13)
	for _, to := range []struct {
		name   string
		k      *socket
		client io.Reader
	}{{"clear", &socket{fd: fd}, clear}, {"TLS", secure, client}} {
		b.Run(to.name, func(b *testing.B) {
			go func() { _, _ = io.Copy(io.Discard, to.client) }()
			event := bytes.Repeat([]byte("x"), 200)
			b.ReportAllocs()
			for b.Loop() {
				n, full, err := to.k.write(event, nil)
				for (full || n < len(event)) && err == nil {
					var more int
					more, full, err = to.k.write(event[n:], nil)
					n += more
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
