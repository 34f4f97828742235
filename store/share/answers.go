package share

import (
	"context"
	"errors"
	"sync"
	"time"

	"sluice/store/pause"
)

// Conn is a connection as those see it who wait for what its answer holds.
type Conn interface {
	Written() int64 // bytes that the kernel has taken
	Cut()           // closes it, from any goroutine; it may be called again
}

type connKey struct{}

// WithConn returns a context whose answers leave by conn.
func WithConn(ctx context.Context, conn Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// ConnOf returns the connection that answers of a context leave by, nil where it is not known.
func ConnOf(ctx context.Context) Conn {
	conn, _ := ctx.Value(connKey{}).(Conn)
	return conn
}

// When somebody is refused memory, an answer is cut off that has been on its way for grace and moves slower than
// leastSpeed, or that has been on its way for mostAge, however fast it moves.
const (
	grace      = 5 * time.Second
	leastSpeed = 16 << 10 // bytes a second
	mostAge    = time.Minute
)

// Answers is the memory that answers hold until their clients have read them. It is shared out by owner, and who holds
// some and reads slowly is cut off when another is refused.
type Answers struct {
	memory *Memory

	mu      sync.Mutex
	sending map[*Answer]struct{}
}

// NewAnswers makes the memory of answers with its bounds in bytes.
func NewAnswers(perOwner, total int64) *Answers {
	return &Answers{memory: NewMemory(perOwner, total), sending: map[*Answer]struct{}{}}
}

// Held returns the bytes that all answers hold.
func (a *Answers) Held() int64 { return a.memory.Held() }

// Answer is what one answer holds. It is to be closed, and used by one goroutine.
type Answer struct {
	of      *Answers
	account *Account
	owner   string
	conn    Conn // nil where nobody can cut it off

	// Guarded by of.mu, from Send on.
	began, looked time.Time // when it began, and when written was
	written       int64
}

// Open opens the account of an answer to the request of ctx.
func (a *Answers) Open(ctx context.Context) *Answer {
	return &Answer{of: a, owner: Owner(ctx), account: a.memory.Account(Owner(ctx)), conn: ConnOf(ctx)}
}

// Take charges n more bytes, or refuses with a *FullError. It never waits: those who wait would hold what others wait
// for.
func (a *Answer) Take(n int64) error {
	err := a.account.Take(n)
	var full *FullError
	if errors.As(err, &full) {
		a.of.cutSlow(a.owner, full.All)
	}
	return err
}

// Send says that the answer is whole, and waits for its client from now on.
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

// Close returns what the answer holds. It may be called again.
func (a *Answer) Close() {
	a.of.mu.Lock()
	delete(a.of.sending, a)
	a.of.mu.Unlock()
	a.account.Close()
}

// cutSlow cuts off the answers that move too slowly: those of an owner, or of all. Their connections give back what
// they hold in a moment. Speed is that since the last look, so that what fits into a socket's buffer counts once.
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
		if float64(written-one.written) < leastSpeed*passed.Seconds() || now.Sub(one.began) > mostAge {
			one.conn.Cut()
			continue
		}
		one.looked, one.written = now, written
	}
}
