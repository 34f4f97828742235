package share

import (
	"context"
	"errors"
	"sync"
	"time"

	"sluice/store/pause"
)

// Conn is a connection as Answers sees it.
type Conn interface {
	Written() int64 // bytes that the kernel has taken
	Cut()           // closes the connection; any goroutine may call it, more than once
}

type connKey struct{}

// WithConn returns a context whose answers are sent on conn.
func WithConn(ctx context.Context, conn Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// ConnOf returns the connection that the answers of a context are sent on, or nil if it is not known.
func ConnOf(ctx context.Context) Conn {
	conn, _ := ctx.Value(connKey{}).(Conn)
	return conn
}

// When an owner is refused memory, slow answers are cut off: those sent for longer than grace and slower than
// minSpeed, and those sent for longer than maxAge at any speed.
const (
	grace    = 5 * time.Second
	minSpeed = 16 << 10 // bytes a second
	maxAge   = time.Minute
)

// Answers is the memory that answers take until their clients have read them. It is shared by owner. An owner whose
// client reads slowly is cut off when another is refused.
type Answers struct {
	memory *Memory

	mu      sync.Mutex
	sending map[*Answer]struct{}
}

// NewAnswers makes the memory for answers with its bounds in bytes.
func NewAnswers(perOwner, total int64) *Answers {
	return &Answers{memory: NewMemory(perOwner, total), sending: map[*Answer]struct{}{}}
}

// Held is the number of bytes that all answers take.
func (a *Answers) Held() int64 { return a.memory.Held() }

// Answer is the memory of one answer. Only one goroutine may use it, and it must be closed.
type Answer struct {
	of      *Answers
	account *Account
	owner   string
	conn    Conn // nil if it cannot be cut off

	// Guarded by of.mu, from Send on.
	began, looked time.Time // when sending began, and when written was read
	written       int64
}

// Open opens the account of an answer to the request of ctx.
func (a *Answers) Open(ctx context.Context) *Answer {
	return &Answer{of: a, owner: Owner(ctx), account: a.memory.Account(Owner(ctx)), conn: ConnOf(ctx)}
}

// Take charges n more bytes, or refuses with a *FullError. It never waits: otherwise answers could wait for each
// other's memory.
func (a *Answer) Take(n int64) error {
	err := a.account.Take(n)
	var full *FullError
	if errors.As(err, &full) {
		a.of.cutSlow(a.owner, full.All)
	}
	return err
}

// Send says that the answer is complete and from now on waits for its client.
func (a *Answer) Send() {
	if a.conn == nil {
		return
	}
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	a.began, a.written = time.Now(), a.conn.Written()
	a.looked = a.began
	a.of.sending[a] = struct{}{}
}

// Close gives the answer's memory back. It may be called again.
func (a *Answer) Close() {
	a.of.mu.Lock()
	delete(a.of.sending, a)
	a.of.mu.Unlock()
	a.account.Close()
}

// cutSlow cuts off answers that are sent too slowly, of an owner or of all. Closing their connections soon gives their
// memory back. The speed is that since the last look, so that what fits into a socket's buffer counts only once.
func (a *Answers) cutSlow(owner string, all bool) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	for one := range a.sending {
		passed := now.Sub(one.looked)
		if passed < grace || !all && one.owner != owner {
			continue
		}
		written := one.conn.Written()
		if pause.Since(one.looked) {
			one.began, one.looked, one.written = now, now, written
			continue
		}
		if float64(written-one.written) < minSpeed*passed.Seconds() || now.Sub(one.began) > maxAge {
			one.conn.Cut()
			continue
		}
		one.looked, one.written = now, written
	}
}
