package gatewaytest

import (
	"bytes"
	"context"
	"net"
	"sync"
)

// InBubble is a change for gateways that run in a bubble of synctest, whose clock advances only when all wait. Real
// connections and the shared writer wait in system calls, where that clock stands still.
func InBubble(s *Setup) { s.Listener, s.Shards = NewPipes(1<<20), -1 }

// pipeChunk is the most bytes that one place of a pipe's buffer holds.
const pipeChunk = 16 << 10

// Pipes is a listener whose connections are in memory. What is sent waits in a buffer, as it does in a kernel.
type Pipes struct {
	buffer   int
	accepted chan net.Conn
	closed   chan struct{}
	close    func()
}

// NewPipes makes a listener. Each direction of a connection has a buffer of this number of bytes. A short write uses as
// much of it as 16 KiB.
func NewPipes(buffer int) *Pipes {
	l := &Pipes{buffer: buffer, accepted: make(chan net.Conn), closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

// Accept waits for a call of Dial.
func (l *Pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial, and no connection.
func (l *Pipes) Close() error {
	l.close()
	return nil
}

// Addr is an address of TCP that nobody listens at.
func (l *Pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// serverPipe is the gateway's end of a connection.
type serverPipe struct {
	net.Conn
	from net.Addr
}

func (l *serverPipe) RemoteAddr() net.Addr { return l.from }

// Dial connects a client. It has the parameters of http.Transport.DialContext, and uses ctx only.
func (l *Pipes) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	server, serverEnd := net.Pipe()
	client, clientEnd := net.Pipe()
	select {
	case l.accepted <- &serverPipe{server, l.Addr()}:
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	carry(serverEnd, clientEnd, l.buffer)
	carry(clientEnd, serverEnd, l.buffer)
	return client, nil
}

// carry takes bytes from one connection to another, until one of the two is closed. Then it closes the other.
func carry(from, to net.Conn, buffer int) {
	waiting := make(chan []byte, buffer/pipeChunk)
	go func() { // ends with from
		defer close(waiting)
		for some := make([]byte, pipeChunk); ; {
			n, err := from.Read(some)
			if err != nil {
				return
			}
			waiting <- bytes.Clone(some[:n])
		}
	}()
	go func() { // ends with both
		for some := range waiting {
			if _, err := to.Write(some); err != nil {
				from.Close() // the rest is taken, and dropped
			}
		}
		to.Close()
	}()
}
