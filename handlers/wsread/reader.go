// Package wsread reads the messages of WebSockets, the same way at every door: bounded in length, in time and in what
// they take in memory, half-sent ones too.
package wsread

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"sluice/store/pause"
	"sluice/store/share"
)

const (
	firstBuffer = 512
	// free is what a message may take without being charged: as much as every connection takes for its buffers.
	free = 4 << 10
	// processed is how many times its length a message takes while something is made of it.
	processed = 2
)

// Reader reads the messages of one socket, by one goroutine.
type Reader struct {
	ws      *websocket.Conn
	account *share.Account
	timeout time.Duration
	timer   *time.Timer
	begun   atomic.Pointer[time.Time] // of the message under way
	skips   bool
}

// longest is how many times the limit a message may have that is skipped.
const longest = 16

// New makes the reader of a socket, which is to be closed. A message that is not there within the timeout after it has
// begun calls cut, which must end the connection: else half a message would stay in memory for as long as the client likes.
// The timer that does so has a goroutine of its own, which defers contain: Contain of the socket's lease.
func New(ws *websocket.Conn, account *share.Account, timeout time.Duration, cut, contain func()) *Reader {
	r := &Reader{ws: ws, account: account, timeout: timeout}
	r.timer = time.AfterFunc(timeout, func() {
		defer contain()
		begun := r.begun.Load()
		switch {
		case begun == nil: // it is there by now
		case pause.Since(*begun):
			if now := time.Now(); r.begun.CompareAndSwap(begun, &now) {
				r.timer.Reset(timeout)
			}
		default:
			cut()
		}
	})
	r.timer.Stop()
	return r
}

// begin gives a message its time.
func (r *Reader) begin() {
	now := time.Now()
	r.begun.Store(&now)
	r.timer.Reset(r.timeout)
}

func (r *Reader) end() {
	r.begun.Store(nil)
	r.timer.Stop()
}

// SkipLong makes Next skip a message that is too long, up to 16 times the limit, instead of ending the connection.
func (r *Reader) SkipLong() { r.skips = true }

// Close ends the timer.
func (r *Reader) Close() { r.timer.Stop() }

// Message is one that was read, or was skipped.
type Message struct {
	Kind    websocket.MessageType
	Text    []byte
	Refused *share.FullError // why it was skipped
	Long    bool             // it was skipped, as it is longer than the limit

	account *share.Account
	charged int64
}

// Release gives back what the message took.
func (m *Message) Release() {
	if m.charged > 0 {
		m.account.Give(m.charged)
		m.charged = 0
	}
}

// charge takes n more bytes.
func (m *Message) charge(n int64) error {
	err := m.account.Take(n)
	if err == nil {
		m.charged += n
	}
	return err
}

// Next waits for a message of at most limit bytes. A longer one ends the connection with code 1009, or is skipped: see
// SkipLong. One that memory has no room for is read to its end and dropped; then Refused is set.
func (r *Reader) Next(ctx context.Context, limit int64) (m Message, err error) {
	defer func() { r.explain(err) }()
	most := limit
	if r.skips {
		most = longest * min(limit, math.MaxInt64/longest/2)
	}
	r.ws.SetReadLimit(most)
	var body io.Reader
	if m.Kind, body, err = r.ws.Reader(ctx); err != nil {
		return m, err
	}
	r.begin()
	defer r.end()
	m.account = r.account
	err = m.fill(body, limit)
	if n := int64(processed * len(m.Text)); err == nil && n > free {
		err = m.charge(n)
	}
	if m.Long = errors.Is(err, errLong); m.Long || errors.As(err, &m.Refused) {
		m.Text = nil
		m.Release()
		_, err = io.Copy(io.Discard, body)
	}
	if err != nil {
		m.Release()
		return m, fmt.Errorf("reading a message: %w", err)
	}
	return m, nil
}

// explain closes a connection whose client breaks the protocol where the library has not: it just gives up when a frame
// is not masked.
func (r *Reader) explain(err error) {
	if err != nil && strings.Contains(err.Error(), "unmasked frame") {
		_ = r.ws.Close(websocket.StatusProtocolError, "a client must mask its frames: RFC 6455, 5.1") // it may be gone
	}
}

var errLong = errors.New("the message is too long")

// fill reads the message into a buffer that grows with it.
func (m *Message) fill(body io.Reader, limit int64) error {
	m.Text = make([]byte, 0, firstBuffer)
	for {
		if len(m.Text) == cap(m.Text) {
			if err := m.grow(limit); err != nil {
				return err
			}
		}
		n, err := body.Read(m.Text[len(m.Text):cap(m.Text)])
		m.Text = m.Text[:len(m.Text)+n]
		switch {
		case int64(len(m.Text)) > limit:
			return errLong
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// grow doubles the buffer, up to what the longest message takes and a byte by which its end is seen.
func (m *Message) grow(limit int64) error {
	size := min(2*int64(cap(m.Text)), max(limit, int64(cap(m.Text)))+1)
	had := m.charged
	if size > free {
		if err := m.charge(size); err != nil {
			return err
		}
	}
	larger := make([]byte, len(m.Text), size)
	copy(larger, m.Text)
	m.Text = larger
	if had > 0 {
		m.account.Give(had)
		m.charged -= had
	}
	return nil
}
