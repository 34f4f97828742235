package writers

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sluice/broker"
)

// phase is where a connection is in its life.
type phase uint8

const (
	open      phase = iota
	ending          // the last frame is on its way; nothing follows it
	lingering       // our side is closed; waiting for the client to close its own
	closed
)

// socket is a connection that the shared writer has taken over. Only its shard touches it.
type socket struct {
	rest     []byte     // to write before anything else: the head, or the rest of a frame
	why      *why       // from ending on
	tls      *tlsSocket // nil: clear text
	nextPing int64      // as clock counts, like deadline
	deadline int64      // while blocked: when it must have taken a byte; else: when its lingering ends
	fd       int32
	slot     int32
	queued   int32 // bytes that the kernel had for it when it blocked, or at the last look
	phase    phase
	chunked  bool
	blocked  bool // the kernel takes no more for now
	fetching bool // another goroutine uses the cursor
	chatty   bool // there may be more to read
	live     bool // the notice Live was sent, or is not wanted
	again    bool // it is in the shard's list of streams that have more to do
}

// write sends a and then b, and returns how many bytes of both it took. full means that the kernel takes no more for now.
func (k *socket) write(a, b []byte) (n int, full bool, err error) {
	if k.tls != nil {
		return k.tls.write(a, b)
	}
	n, err = write(k.fd, a, b)
	return n, n < len(a)+len(b), err
}

// unsent reports whether something waits to be written before anything else.
func (k *socket) unsent() bool { return len(k.rest) > 0 || k.tls != nil && len(k.tls.sealed) > 0 }

// deaf reports whether the socket reads nothing because its client takes nothing: crypto/tls may have to answer what it
// reads, and the answers would gather.
func (k *socket) deaf() bool { return k.tls != nil && k.phase == open && k.blocked }

// discard reads and ignores what the client sends, as the function discard does. After the last frame nothing is decrypted.
func (k *socket) discard(buf []byte) (alive, more bool) {
	switch {
	case k.tls == nil || k.phase != open:
		return discard(k.fd, buf)
	case k.deaf():
		return true, true
	}
	return k.tls.discard(buf)
}

// read reads what the client has sent; again means that there is nothing now.
func (k *socket) read(buf []byte) (n int, again bool, err error) {
	if k.tls != nil {
		return k.tls.read(buf)
	}
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(k.fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return 0, true, nil
		case errno != 0:
			return 0, false, errno
		case n == 0:
			return 0, false, io.EOF
		default:
			return int(n), false, nil
		}
	}
}

// why is the reason why a socket ends. It is separate because a lease that is 8 bytes larger takes 288 bytes of the heap.
type why struct {
	reason broker.End
	cause  error
}

// maxUnsent bounds the unsent bytes that the kernel stores for a client. Events after them stay in the log, which all
// clients share.
const maxUnsent = 128 << 10

// detach takes a hijacked connection out of the hands of net. The descriptor that it returns keeps the connection open; net's
// own is free.
func detach(conn net.Conn, timeout time.Duration) (fd int32, secure *tlsSocket, err error) {
	fd, err = duplicate(conn, timeout)
	if over, ok := conn.(*tls.Conn); ok && err == nil {
		secure, conn, err = underTLS(over, fd) // conn is no longer TLS: closing it tells the client nothing
	}
	if cerr := conn.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("closing the first descriptor: %w", cerr)
	}
	if err != nil && fd > 0 {
		closeFD(fd)
	}
	return fd, secure, err
}

// duplicate makes a descriptor of our own for the connection. The caller then closes net's, so that Go's poller releases
// it. Errors of SetsockOpt are ignored: the client can be served without those options.
func duplicate(conn net.Conn, timeout time.Duration) (int32, error) {
	for {
		inner, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = inner.NetConn()
	}
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("a connection of type %T has no descriptor", conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("reaching the descriptor: %w", err)
	}
	fd := -1
	var dup error
	err = raw.Control(func(old uintptr) { fd, dup = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, dup); err != nil {
		return 0, fmt.Errorf("duplicating the descriptor: %w", err)
	}
	// The kernel notices a vanished client by missing acknowledgements. For one that is there and does not read, our own
	// time limit ends first.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int((timeout + 5*time.Second).Milliseconds()))
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent)
	return int32(fd), nil
}

// write sends a and then b with one system call, and returns how many bytes of both the kernel took. The call cannot block,
// so it bypasses Go's scheduler.
func write(fd int32, a, b []byte) (int, error) {
	if len(a) == 0 {
		a, b = b, nil
	}
	if len(a) == 0 {
		return 0, nil
	}
	for {
		var n uintptr
		var errno unix.Errno
		if len(b) == 0 {
			n, _, errno = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&a[0])), uintptr(len(a)))
		} else {
			var v [2]unix.Iovec
			v[0].Base, v[1].Base = &a[0], &b[0]
			v[0].SetLen(len(a))
			v[1].SetLen(len(b))
			n, _, errno = unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&v[0])), 2)
		}
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, errno
		}
	}
}

// discard reads and ignores what a client sends after its request. It returns false once the client has closed its side
// or the connection is broken. more means that there may be more to read.
func discard(fd int32, buf []byte) (alive, more bool) {
	for range 16 {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return true, false
		case errno != 0 || n == 0:
			return false, false
		}
	}
	return true, true
}

// queued returns how many bytes the kernel has for the client: unsent, or sent and not acknowledged.
func queued(fd int32) int32 {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return int32(n)
}
