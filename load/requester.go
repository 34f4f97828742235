package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// requester sends requests one after the other, on a connection that it keeps as long as the server does. It speaks
// HTTP/1.1, whatever the subscribers speak.
type requester struct {
	addr    *net.TCPAddr
	secure  *tls.Config // nil: clear text
	number  int         // chooses the address that the connection comes from
	conn    net.Conn    // nil: the next request makes one
	answers *bufio.Reader
	unwatch func() bool
}

// errNoAnswer says that the connection ended before the first byte of an answer.
var errNoAnswer = errors.New("the server closed the connection without an answer")

// send returns the body of an answer. A server may close a connection after an answer that says so (nginx does after 1,000
// requests) or at any time while it is unused; then the next request makes a new one. A request that was lost in this way
// is sent again only if it is repeatable: the server may have done what it asks for.
func (r *requester) send(ctx context.Context, request []byte, repeatable bool) ([]byte, error) {
	kept := r.conn != nil
	text, err := r.once(ctx, request)
	if kept && repeatable && errors.Is(err, errNoAnswer) {
		return r.once(ctx, request)
	}
	if kept && errors.Is(err, errNoAnswer) {
		err = fmt.Errorf("%w; a request with a header as 'Idempotency-Key: {run}-{n}' would be sent again", err)
	}
	return text, err
}

func (r *requester) once(ctx context.Context, request []byte) ([]byte, error) {
	if r.conn == nil {
		if err := r.dial(ctx); err != nil {
			return nil, err
		}
	}
	text, last, err := roundTrip(r.conn, r.answers, request)
	if err != nil || last {
		r.close()
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return text, err
}

func (r *requester) dial(ctx context.Context) error {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+r.number%sources))}}
	conn, err := dialer.DialContext(ctx, "tcp4", r.addr.String())
	if err != nil {
		return fmt.Errorf("connecting publisher %d: %w", r.number, err)
	}
	if r.secure != nil {
		secured := tls.Client(conn, r.secure)
		if err := secured.HandshakeContext(ctx); err != nil {
			return errors.Join(fmt.Errorf("connecting publisher %d: %w", r.number, err), conn.Close())
		}
		conn = secured
	}
	r.conn, r.answers = conn, bufio.NewReader(conn)
	r.unwatch = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	return nil
}

// close ends the connection, if there is one.
func (r *requester) close() {
	if r.conn == nil {
		return
	}
	r.unwatch()
	_ = r.conn.Close() // nothing is written any more
	r.conn = nil
}

// roundTrip sends a request, and returns the body of its answer. last is for a connection that takes no further request.
func roundTrip(conn net.Conn, answers *bufio.Reader, request []byte) (text []byte, last bool, err error) {
	if _, err := conn.Write(request); err != nil {
		return nil, true, fmt.Errorf("publishing: %w: %w", errNoAnswer, err)
	}
	if _, err := answers.Peek(1); err != nil {
		return nil, true, fmt.Errorf("publishing: %w: %w", errNoAnswer, err)
	}
	answer, err := http.ReadResponse(answers, nil)
	if err != nil {
		return nil, true, fmt.Errorf("reading the answer to a publish: %w", err)
	}
	defer answer.Body.Close()
	if text, err = io.ReadAll(answer.Body); err != nil {
		return nil, true, fmt.Errorf("reading the answer to a publish: %w", err)
	}
	if answer.StatusCode/100 != 2 {
		return nil, true, fmt.Errorf("publishing was refused: %s %.300s", answer.Status, text)
	}
	return text, answer.Close, nil
}
