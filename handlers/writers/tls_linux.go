package writers

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tlsSocket is the TLS of a connection that the shared writer has taken over. It is the connection that crypto/tls reads and
// writes, and it never waits: a read with nothing to read fails for now, and records that the kernel does not take stay in
// sealed. Nothing is encrypted while sealed has something, so it has at most one piece, and some answers of crypto/tls.
type tlsSocket struct {
	conn   *tls.Conn
	fd     int32
	sealed []byte  // records that the kernel has not taken
	lent   *[]byte // of tlsBuffers, with sealed in it; nil while no records are made
	idle   int     // bytes read since the client's data last came out of them
}

// tlsPiece is how much is encrypted before the kernel gets it: the largest record. What follows stays in the log while the
// client is slow.
const tlsPiece = 16 << 10

// What crypto/tls stores of a client's records lasts as long as the connection: the largest record, and a message of a
// handshake in parts. maxTLSIdle bounds both: it is a record and what is read ahead, and no client needs more without data.
const (
	tlsAhead   = 4 << 10
	maxTLSIdle = 24 << 10
)

var errTLSIdle = errors.New("the client sends records without data")

// tlsBuffers lends memory while records are made, so that an idle connection has none.
var tlsBuffers = sync.Pool{New: func() any { return new([]byte) }}

// underTLS puts t below the TLS connection, in the place of the one from net, which is returned.
func underTLS(conn *tls.Conn, fd int32) (t *tlsSocket, before net.Conn, err error) {
	below, ok := conn.NetConn().(Replacer)
	if !ok {
		return nil, conn, errors.New("the connection below TLS cannot be replaced")
	}
	t = &tlsSocket{conn: conn, fd: fd}
	return t, below.Replace(t), nil
}

// write encrypts and sends a and then b, and returns how many bytes of both it took. full means that the kernel takes no
// more for now.
func (t *tlsSocket) write(a, b []byte) (n int, full bool, err error) {
	if full, err = t.push(); full || err != nil {
		return 0, full, err
	}
	defer t.settle() // after a panic as well
	for len(a)+len(b) > 0 {
		if len(a) == 0 {
			a, b = b, nil
		}
		took, err := t.conn.Write(a[:min(len(a), tlsPiece-len(t.sealed))])
		n, a = n+took, a[took:]
		if err != nil {
			return n, false, err
		}
		if len(t.sealed) < tlsPiece && len(a)+len(b) > 0 {
			continue // small ones leave together
		}
		if full, err = t.push(); full || err != nil {
			return n, full, err
		}
	}
	return n, false, nil
}

// closeWrite tells the client that nothing follows. It may be called again, until full is false.
func (t *tlsSocket) closeWrite() (full bool, err error) {
	defer t.settle()
	if err := t.conn.CloseWrite(); err != nil {
		return false, err
	}
	return t.push()
}

// read decrypts what the client has sent. again means that there is nothing to read now.
func (t *tlsSocket) read(buf []byte) (n int, again bool, err error) {
	defer t.settle()
	if n, err = t.conn.Read(buf); n > 0 {
		t.idle, err = 0, nil // crypto/tls reads on if an alert follows the data, and says the same about that the next time
	}
	if again = errors.Is(err, errAgain); again {
		err = nil
	}
	if len(t.sealed) > 0 { // the answer to a KeyUpdate, or an alert
		if _, perr := t.push(); err == nil {
			err = perr
		}
	}
	return n, again, err
}

// discard is discard for TLS. It stops when an answer of crypto/tls waits for the kernel: a client must not make us keep more.
func (t *tlsSocket) discard(buf []byte) (alive, more bool) {
	for range 16 {
		switch _, again, err := t.read(buf); {
		case err != nil:
			return false, false
		case again:
			return true, false
		case len(t.sealed) > 0:
			return true, true
		}
	}
	return true, true
}

// push gives the kernel the records. It returns true if the kernel does not take all.
func (t *tlsSocket) push() (full bool, err error) {
	if len(t.sealed) == 0 {
		return false, nil
	}
	n, err := write(t.fd, t.sealed, nil)
	if n < len(t.sealed) {
		t.sealed = t.sealed[n:]
		return true, err
	}
	if t.sealed = nil; t.lent != nil {
		t.sealed = (*t.lent)[:0]
	}
	return false, err
}

// settle gives the lent buffer back, and keeps what the kernel has not taken.
func (t *tlsSocket) settle() {
	rest := t.sealed
	if t.lent != nil {
		rest = bytes.Clone(rest)
		tlsBuffers.Put(t.lent)
		t.lent = nil
	}
	if t.sealed = rest; len(rest) == 0 {
		t.sealed = nil
	}
}

// The rest is what crypto/tls needs of a connection.

// Write keeps a record until push.
func (t *tlsSocket) Write(b []byte) (int, error) {
	if t.lent == nil {
		t.lent = tlsBuffers.Get().(*[]byte)
		t.sealed = append((*t.lent)[:0], t.sealed...)
	}
	t.sealed = append(t.sealed, b...)
	if cap(t.sealed) <= 4*tlsPiece {
		*t.lent = t.sealed[:0]
	}
	return len(b), nil
}

// Read reads what there is, or fails with errAgain.
func (t *tlsSocket) Read(b []byte) (int, error) {
	if t.idle > maxTLSIdle {
		return 0, errTLSIdle
	}
	if b = b[:min(len(b), tlsAhead)]; len(b) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(t.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return 0, errAgain
		case errno != 0:
			return 0, syscall.Errno(errno)
		case n == 0:
			return 0, io.EOF
		default:
			t.idle += int(n)
			return int(n), nil
		}
	}
}

// errAgain is a read with nothing to read. crypto/tls goes on after a temporary error, with the part of a record that it has.
var errAgain net.Error = again{}

type again struct{}

func (again) Error() string   { return "nothing to read now" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

// Close does nothing: the shard closes the descriptor.
func (t *tlsSocket) Close() error { return nil }

// Nobody asks for the addresses, and nothing waits for a deadline.

func (t *tlsSocket) LocalAddr() net.Addr              { return nil }
func (t *tlsSocket) RemoteAddr() net.Addr             { return nil }
func (t *tlsSocket) SetDeadline(time.Time) error      { return nil }
func (t *tlsSocket) SetReadDeadline(time.Time) error  { return nil }
func (t *tlsSocket) SetWriteDeadline(time.Time) error { return nil }
