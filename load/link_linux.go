package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// link is one connection: of one subscriber, or over HTTP/2 of several.
type link struct {
	socket  socket
	conn    io.ReadWriter // the socket, or TLS on it
	streams *streams      // over HTTP/2; else nil
	first   int           // the member with its first stream
}

// newLink connects to a server. When it returns, nothing waits any more: a Read without data returns errEmpty.
func newLink(i int, target *unix.SockaddrInet4, secure *tls.Config, wait time.Duration) (link, error) {
	l := link{}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return l, fmt.Errorf("making socket %d (is the limit of open files high enough?): %w", i, err)
	}
	l.socket = socket{fd}
	l.conn = l.socket
	from := unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + i%sources)}}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.Bind(fd, &from),
		unix.Connect(fd, target),
	)
	if err == nil && secure != nil {
		err = l.handshake(secure, wait)
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	return l, err
}

// handshake begins TLS. It blocks, because the handshake of crypto/tls cannot go on after an error.
func (l *link) handshake(secure *tls.Config, wait time.Duration) error {
	limit := unix.NsecToTimeval(max(wait, time.Second).Nanoseconds())
	if err := unix.SetsockoptTimeval(l.socket.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return fmt.Errorf("limiting the time of a handshake: %w", err)
	}
	conn := tls.Client(l.socket, secure)
	if err := conn.Handshake(); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	if got, want := conn.ConnectionState().NegotiatedProtocol, secure.NextProtos[0]; got != want && want == protocolHTTP2 {
		return fmt.Errorf("the server does not speak HTTP/2: it chose %q", got)
	}
	l.conn = conn
	return nil
}

// more reports whether a Read may find data that epoll does not know of, because TLS has read it already.
func (l *link) more() bool { return l.conn != io.ReadWriter(l.socket) }

// socket is a connection that one goroutine reads by epoll.
type socket struct{ fd int }

// errEmpty is the error of a Read when nothing has arrived. crypto/tls can go on after it, since it is temporary.
var errEmpty error = empty{}

type empty struct{}

func (empty) Error() string   { return "nothing has arrived" }
func (empty) Timeout() bool   { return true }
func (empty) Temporary() bool { return true }

func (s socket) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(s.fd, b)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return 0, errEmpty
		case err != nil:
			return 0, fmt.Errorf("reading a socket: %w", err)
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// mostWait is how long a Write waits for the server to read.
const mostWait = 10 * time.Second

// Write waits while the kernel does not accept more. What subscribers send is little.
func (s socket) Write(b []byte) (written int, err error) {
	for written < len(b) {
		n, err := unix.Write(s.fd, b[written:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			ready, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}, int(mostWait.Milliseconds()))
			if err != unix.EINTR && (err != nil || ready == 0) {
				return written, fmt.Errorf("the server does not read: %w", errors.Join(err, errEmpty))
			}
		case err != nil:
			return written, fmt.Errorf("writing to a socket: %w", err)
		default:
			written += n
		}
	}
	return written, nil
}

// Close does nothing: crowd.close closes the descriptor, once.
func (socket) Close() error                     { return nil }
func (socket) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (socket) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (socket) SetDeadline(time.Time) error      { return nil }
func (socket) SetReadDeadline(time.Time) error  { return nil }
func (socket) SetWriteDeadline(time.Time) error { return nil }
