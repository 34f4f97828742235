//go:build unix

package clustertest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// link passes connections on to an address, and can be cut. What is sent while it is cut arrives when it is not cut any more,
// as on a network that loses packets: nobody at either end learns of it.
type link struct {
	address, to string
	listener    net.Listener
	done        chan struct{} // closed at the end
	working     sync.WaitGroup

	mu    sync.Mutex
	whole chan struct{} // closed while the link is not cut
}

// newLink opens a link that ends with the test.
func newLink(t testing.TB, to string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{address: listener.Addr().String(), to: to, listener: listener, done: make(chan struct{}), whole: make(chan struct{})}
	close(l.whole)
	l.working.Go(l.accept)
	t.Cleanup(func() {
		close(l.done)
		listener.Close()
		l.working.Wait()
	})
	return l
}

// cut stops all bytes. It may be called again.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.whole:
		l.whole = make(chan struct{})
	default:
	}
}

// mend lets bytes pass again.
func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.whole:
	default:
		close(l.whole)
	}
}

// passes waits until the link is not cut. It returns false at the end.
func (l *link) passes() bool {
	for {
		l.mu.Lock()
		whole := l.whole
		l.mu.Unlock()
		select {
		case <-l.done:
			return false
		case <-whole:
			l.mu.Lock()
			same := l.whole == whole
			l.mu.Unlock()
			if same {
				return true
			}
		}
	}
}

// accept takes connections until the listener is closed.
func (l *link) accept() {
	for {
		from, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.working.Go(func() { l.serve(from) })
	}
}

// serve passes on one connection.
func (l *link) serve(from net.Conn) {
	defer from.Close()
	if !l.passes() {
		return
	}
	to, err := (&net.Dialer{Timeout: time.Second}).Dial("tcp", l.to)
	if err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.copy(to, from) })
	both.Go(func() { l.copy(from, to) })
	ended := make(chan struct{})
	l.working.Go(func() {
		select { // the end of the link ends the connection
		case <-l.done:
			from.Close()
			to.Close()
		case <-ended:
		}
	})
	both.Wait()
	close(ended)
}

// copy passes on what is read, and closes both connections at the end of one.
func (l *link) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	for piece := make([]byte, 64<<10); ; {
		n, err := from.Read(piece)
		if !l.passes() {
			return
		}
		if _, werr := to.Write(piece[:n]); err != nil || werr != nil {
			return
		}
	}
}
