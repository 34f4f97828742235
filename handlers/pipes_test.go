package handlers_test

import (
	"io"
	"net"
	"sync"
)

// pipes is a listener whose connections are in memory, for tests in a bubble of synctest: what is sent to a client waits in
// a buffer of a MiB at most, as it does in a kernel.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
	close    func()
}

func newPipes() *pipes {
	l := &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.close()
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// serverPipe is the gateway's end of a connection.
type serverPipe struct {
	net.Conn
	from net.Addr
}

func (l *serverPipe) RemoteAddr() net.Addr { return l.from }

// dial connects a client.
func (l *pipes) dial() net.Conn {
	server, serverEnd := net.Pipe()
	client, clientEnd := net.Pipe()
	sent := make(chan []byte, 64)
	go func() {
		defer close(sent)
		for {
			some := make([]byte, 16<<10)
			n, err := serverEnd.Read(some)
			if err != nil {
				return
			}
			sent <- some[:n]
		}
	}()
	go func() {
		for some := range sent {
			if _, err := clientEnd.Write(some); err != nil {
				serverEnd.Close() // the client is gone; the rest is taken, and dropped
			}
		}
		clientEnd.Close()
	}()
	go func() {
		_, _ = io.Copy(serverEnd, clientEnd) // until one of the two is gone
		serverEnd.Close()
	}()
	l.accepted <- &serverPipe{server, l.Addr()}
	return client
}
