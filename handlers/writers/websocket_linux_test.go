package writers

import (
	"bytes"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/broker"
)

// A client that never stops sending has one turn in each round, however often the kernel reports it: the others wait no longer
// than that.
func TestFloodHasOneTurnInRound(t *testing.T) {
	fd, client := pair(t)
	yielder, err := newYielder()
	if err != nil {
		t.Fatal(err)
	}
	defer yielder.close()
	sh := &shard{config: &Config{Observer: counter{}}, yielder: yielder}
	s := &Stream{Subscriber: &broker.Subscriber{}, socket: socket{fd: fd}}
	s.web = newWebSocket(silent{}, &SocketOptions{}, nil)
	written := make(chan struct{})
	go func() {
		defer close(written)
		ping := []byte{0x89, 0x80, 1, 2, 3, 4}
		_, _ = client.Write(bytes.Repeat(ping, 30*readBytes/len(ping))) // its end ends it
	}()
	for round := range 5 {
		for queuedIn(t, fd) <= 2*readBytes {
			runtime.Gosched()
		}
		sh.eventOfSocket(s, unix.EPOLLIN)
		again := sh.again
		if sh.again = nil; len(again) != 1 {
			t.Fatalf("in round %d it has %d turns", round+1, len(again))
		}
		for next := 0; next < len(again); {
			next = sh.serveFrom(again, next)
		}
	}
	client.Close()
	<-written
}
