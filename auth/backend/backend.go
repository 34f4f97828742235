package backend

import (
	"cmp"
	"container/list"
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"sluice/store/share"
)

// Bounds of what is remembered.
const (
	maxIdle     = 10_000   // entries that no stream holds
	maxCalls    = 10_000   // questions that are asked, or wait for their turn
	entryBytes  = 2 << 10  // of an entry without its texts, measured with an identity
	memory      = 64 << 20 // the default of Options.Memory
	refusedFor  = 5 * time.Second
	troubledFor = time.Second
	minBackoff  = time.Second
	maxBackoff  = 10 * time.Second
)

// Options are values from the settings, and what the caller makes of answers.
type Options struct {
	URL         string
	Forward     []string // names of headers, in the form of http.CanonicalHeaderKey
	Timeout     time.Duration
	Grace       time.Duration
	Concurrency int
	Secret      string // "": questions are not signed
	Memory      int64  // bytes of all entries; 0: the default
	Logger      *slog.Logger
	Transport   http.RoundTripper // for tests; nil: the usual one

	// Make makes Answer.Made of a new answer. It must not call the Backend.
	Make func(*Answer) any
	// Stale returns how long to wait before an answer to a new question is newer than all revocations of its subject that
	// are known now: 0 if an answer to a question of that time is.
	Stale func(subject string, asked time.Time) time.Duration
}

// Tries limits the refusals of the address that a question comes from. The headers of a question stand for a session,
// whatever it asks for.
type Tries interface {
	// Wait returns how long the address must wait, at the moment when the question would be asked.
	Wait(session Key) time.Duration
	Refused(session Key)
	Granted(session Key)
}

// Backend asks, and remembers.
type Backend struct {
	o        Options
	client   *http.Client
	slots    *share.Slots
	troubles troubles
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	group    sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	entries map[Key]*entry
	calls   map[Key]*call
	idle    list.List // of entries that no stream holds, the one used last first
	bytes   int64     // of all entries

	granted, refused, failed atomic.Uint64
	asking                   atomic.Int64
}

// New makes a Backend. It asks nothing yet.
func New(o Options) *Backend {
	o.Memory = cmp.Or(o.Memory, memory)
	if o.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost, t.MaxConnsPerHost = o.Concurrency, o.Concurrency, o.Concurrency
		t.DisableCompression, t.MaxResponseHeaderBytes = true, maxAnswer
		o.Transport = t
	}
	b := &Backend{
		o: o, slots: share.NewSlots(o.Concurrency, maxCalls), troubles: troubles{logger: o.Logger},
		client:  &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		entries: map[Key]*entry{}, calls: map[Key]*call{},
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Close ends all calls, and asks nothing any more.
func (b *Backend) Close() {
	b.mu.Lock()
	b.closed = true
	for _, e := range b.entries {
		e.stopTimer()
	}
	b.mu.Unlock()
	b.cancel()
	b.group.Wait()
	b.client.CloseIdleConnections()
}

// Ask returns the application's answer, a remembered or a new one. The error is a *Refused, a *Limited, ErrTooLarge,
// ErrTrouble or that of ctx. What a call costs its address goes to tries.
func (b *Backend) Ask(ctx context.Context, q *Question, tries Tries) (*Answer, error) {
	var space [2 << 10]byte
	text, headers := b.text(space[:0], q)
	if len(text) > maxSent {
		return nil, ErrTooLarge
	}
	c, answer, err := b.find(q, text, headers, tries)
	if c == nil {
		return answer, err
	}
	select {
	case <-c.done:
		return c.answer, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// find returns what is remembered, or a call to wait for.
func (b *Backend) find(q *Question, text []byte, headers int, tries Tries) (*call, *Answer, error) {
	key := sha256.Sum256(text)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if e := b.entries[key]; e != nil {
		switch {
		case e.good(now):
			b.used(e)
			return nil, e.answer, nil
		case e.err != nil && now.Before(e.errUntil):
			return nil, nil, e.err
		}
	}
	if c := b.calls[key]; c != nil {
		return c, nil, nil
	}
	c := b.start(key, b.keep(q, text, headers), tries)
	if c == nil {
		return nil, nil, ErrTrouble
	}
	return c, nil, nil
}

// Remembered returns the answer to a question if it is remembered and good, otherwise nil.
func (b *Backend) Remembered(q *Question) *Answer {
	var space [2 << 10]byte
	text, _ := b.text(space[:0], q)
	key := sha256.Sum256(text)
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[key]; e != nil && e.good(time.Now()) {
		b.used(e)
		return e.answer
	}
	return nil
}

// Stats are counts for metrics.
type Stats struct {
	Granted, Refused, Failed    uint64 // questions, since the start
	Remembered, Asking, Waiting int    // now
}

// Stats returns the counts.
func (b *Backend) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	asking := int(b.asking.Load())
	return Stats{
		Granted: b.granted.Load(), Refused: b.refused.Load(), Failed: b.failed.Load(),
		Remembered: len(b.entries), Asking: asking, Waiting: max(0, len(b.calls)-asking),
	}
}
