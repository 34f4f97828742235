package writers

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is a connection's two ends, ours as the shared writer has it.
func pair(t testing.TB) (fd int32, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if fd, err = duplicate(s, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // the duplicate keeps it open
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closeFD(fd)
		c.Close()
	})
	return fd, c.(*net.TCPConn)
}

// A write takes from both slices in order, returns how much it wrote, and never waits.
func TestWriteInParts(t *testing.T) {
	fd, client := pair(t)
	var want, rest []byte
	for i := byte('a'); len(rest) == 0; i++ {
		a, b := bytes.Repeat([]byte{i}, 70_001), bytes.Repeat([]byte{i - 32}, 30_001)
		n, err := write(fd, a, b)
		if err != nil {
			t.Fatal(err)
		}
		all := append(a, b...)
		want, rest = append(want, all...), all[n:]
		if i == 'z' {
			i = 'a'
		}
	}
	if n, err := write(fd, nil, rest); n < 0 || err != nil {
		t.Fatalf("one that takes nothing: %d %v", n, err)
	} else if rest = rest[n:]; queued(fd) == 0 {
		t.Error("nothing is in hand, though the client has read nothing")
	}
	got := make([]byte, len(want)-len(rest))
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, want[:len(got)]) {
		t.Errorf("the client got something else: %v", err)
	}
	if n, err := write(fd, nil, nil); n != 0 || err != nil {
		t.Errorf("nothing: %d %v", n, err)
	}
}

// What a client sends is thrown away, a bounded piece at a time; its end is seen behind it.
func TestDiscard(t *testing.T) {
	fd, client := pair(t)
	buf := make([]byte, 1000)
	if alive, more := discard(fd, buf); !alive || more {
		t.Errorf("a silent one: %v %v", alive, more)
	}
	if _, err := client.Write(make([]byte, 50_000)); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	pieces, alive := 0, true
	for deadline := time.Now().Add(10 * time.Second); alive && time.Now().Before(deadline); {
		more := false
		if alive, more = discard(fd, buf); more {
			pieces++
		}
	}
	if alive || pieces == 0 {
		t.Errorf("alive: %v, after %d full pieces", alive, pieces)
	}
}

// A connection that gives no descriptor is refused.
func TestDuplicateNeedsDescriptor(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, err := duplicate(a, time.Minute); err == nil {
		t.Error("a pipe in memory has a descriptor")
	}
}

// All that are at the head share one ping; who is elsewhere gets its own, however many places there are.
func TestPingsAreShared(t *testing.T) {
	var p pings
	now := time.UnixMilli(1_795_000_000_000)
	first := p.frame(7, now, true)
	if again := p.frame(7, now, true); &again[0] != &first[0] {
		t.Error("made twice")
	}
	for id := range uint64(3 * maxEncodedPings) {
		for _, chunked := range []bool{false, true} {
			got := p.frame(id, now, chunked)
			if bytes.Contains(got, []byte("id: ")) != (id != 0) || bytes.HasPrefix(got, []byte("event: ping\n")) == chunked {
				t.Errorf("%d, chunked %v: %q", id, chunked, got)
			}
		}
	}
	if len(p.made) != maxEncodedPings {
		t.Errorf("%d are kept", len(p.made))
	}
	p.clear()
	if got := p.frame(7, now.Add(time.Second), true); bytes.Equal(got, first) {
		t.Error("a ping of the last tick was kept")
	}
}
