package handlers

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth/peer"
	"sluice/handlers/httperr"
	"sluice/handlers/writers"
	"sluice/store/share"
)

// The head of a request can be 128 KiB long, and arrives before the gateway knows the sender. Its memory is charged to
// the client's address. While the head arrives, the connection charges it; once it is complete, chargeHead does.

// freeHead is how much of a head is not charged: most are smaller, and every connection has buffers of that size.
const freeHead = 8 << 10

// HTTP2 bounds the memory of an HTTP/2 connection for data that no handler has read yet. That is one frame, whose
// memory is allocated as soon as its length is known, and the unread bodies. The defaults are 1 MiB each.
var HTTP2 = http.HTTP2Config{MaxReadFrameSize: 16 << 10, MaxReceiveBufferPerConnection: 64 << 10, MaxReceiveBufferPerStream: 64 << 10}

// valueBytes is the memory of a header in addition to its text.
const valueBytes = 64

// chargeHead charges a large head until the request ends, or until a stream drops the head.
func chargeHead(memory *share.Memory) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			size := headSize(c.Request())
			if size <= freeHead {
				return next(c)
			}
			account := memory.Account(peer.Owner("", c.RealIP()))
			defer account.Close()
			if err := account.Take(size); err != nil {
				c.Response().Header().Set(echo.HeaderConnection, "close") // a body may follow, and nothing reads it
				return err
			}
			writers.OnDropHead(c, account.Close)
			return next(c)
		}
	}
}

func headSize(r *http.Request) int64 {
	size := 2 * len(r.RequestURI) // and its parts, unescaped
	for name, values := range r.Header {
		size += len(name) + valueBytes
		for _, v := range values {
			size += len(v) + valueBytes
		}
	}
	return int64(size)
}

// partialHead counts the bytes of a head that is not complete yet. Only the goroutine that reads the connection uses
// it.
type partialHead struct {
	account *share.Account // nil while it is small
	read    int64
	refused error // why no more is read
}

// take charges n more bytes.
func (p *partialHead) take(memory *share.Memory, from net.Addr, n int64) error {
	if p.read += n; p.read <= freeHead {
		return nil
	}
	if p.account == nil {
		p.account = memory.AccountAbove(peer.Owner("", hostOf(from)), freeHead)
		n = p.read
	}
	return p.account.Take(n)
}

// end returns the charged memory.
func (p *partialHead) end() {
	if p.account != nil {
		p.account.Close()
	}
	*p = partialHead{}
}

// refusedHead is the answer to a head for which there is no memory. No handler can answer, since there is no request
// yet.
var refusedHead = httperr.Raw(httperr.New(http.StatusServiceUnavailable, httperr.MemoryFull,
	"your address, or all clients together, use as much memory as MAX_MEMORY_PER_KEY or MAX_CLIENT_MEMORY allows; send a shorter request head, or fewer at once").After(5 * time.Second))

// refuseHead answers on a connection without TLS, and returns the error that makes http.Server close it silently.
func refuseHead(c net.Conn, plain bool, cause error) error {
	if plain && c.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = c.Write(refusedHead) // it may be gone
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // nothing is sent after this
		discardRest(c)
	}
	return &net.OpError{Op: "read", Net: "tcp", Err: fmt.Errorf("a request head: %w", cause)}
}

// What a refused client may still send, as net/http does: a connection that is closed with something unread is reset, and
// the answer could be lost with it.
const (
	restTime  = 500 * time.Millisecond
	restBytes = 1 << 20
)

func discardRest(c net.Conn) {
	if c.SetReadDeadline(time.Now().Add(restTime)) != nil {
		return
	}
	var small [4 << 10]byte
	for n := 0; n < restBytes; {
		read, err := c.Read(small[:])
		if n += read; err != nil {
			return
		}
	}
}
