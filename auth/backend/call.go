package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"sluice/auth/peer"
	"sluice/store/panics"
	"sluice/store/share"
)

// call is a question that is asked now, or waits for its turn. Whoever waits for done reads its result.
type call struct {
	b     *Backend
	key   Key
	sent  *kept
	tries Tries // nil: it is asked for open streams, and costs nobody a try

	done   chan struct{}
	asked  time.Time
	grant  Grant
	answer *Answer
	err    error
}

// start begins a call. It returns nil if there are too many. The caller holds mu.
func (b *Backend) start(key Key, sent *kept, tries Tries) *call {
	switch {
	case b.closed:
		return nil
	case len(b.calls) >= maxCalls || !b.evict(entryBytes+sent.bytes):
		b.failed.Add(1)
		b.troubles.note(errRoom)
		return nil
	}
	c := &call{b: b, key: key, sent: sent, tries: tries, done: make(chan struct{})}
	b.calls[key] = c
	b.group.Go(c.run)
	return c
}

var (
	errTurn     = errors.New("too many questions wait: the application answers too slowly for AUTH_CONCURRENCY at a time")
	errRoom     = errors.New("too many questions wait, or the answers of open streams fill MAX_CLIENT_MEMORY")
	errPanic    = errors.New("a panic")
	errOutdated = errors.New("its answers are older than a revocation of their subject")
)

// run asks, and gives the result to all who wait.
func (c *call) run() {
	defer c.finish()
	defer panics.Contain(c.b.o.Logger, "asking the application")
	c.err = errPanic
	c.err = c.ask()
}

// ask asks the question when it is its turn. An answer that may be older than a revocation is asked for once more.
func (c *call) ask() error {
	err := c.once()
	for range 2 {
		wait := time.Duration(0)
		if err == nil {
			wait = c.b.o.Stale(c.grant.Subject, c.asked)
		}
		if wait == 0 {
			return err
		}
		if wait > c.b.o.Timeout {
			break
		}
		select {
		case <-time.After(wait):
		case <-c.b.ctx.Done():
			return c.b.ctx.Err()
		}
		err = c.once()
	}
	return errOutdated
}

// once asks the question when it is its turn.
func (c *call) once() error {
	b := c.b
	turn, cancel := context.WithTimeout(share.With(b.ctx, peer.Owner("", c.sent.From)), b.o.Timeout)
	defer cancel()
	release, err := b.slots.Acquire(turn)
	if err != nil {
		return errTurn
	}
	defer release()
	if c.tries != nil {
		if wait := c.tries.Wait(c.sent.session); wait > 0 {
			return &Limited{wait}
		}
	}
	b.asking.Add(1)
	defer b.asking.Add(-1)
	ctx, stop := context.WithTimeout(b.ctx, b.o.Timeout)
	defer stop()
	c.asked = time.Now()
	c.grant, err = b.question(ctx, &c.sent.Question, c.asked)
	return err
}

// question sends a question and reads the answer.
func (b *Backend) question(ctx context.Context, q *Question, at time.Time) (g Grant, err error) {
	r, err := b.request(ctx, q, at)
	if err != nil {
		return g, errors.New("AUTH_URL cannot be used")
	}
	answer, err := b.client.Do(r)
	if err != nil {
		return g, reason(err)
	}
	defer answer.Body.Close()
	ok, refuses := answer.StatusCode == http.StatusOK, answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden
	if !ok && !refuses {
		return g, fmt.Errorf("the answer is %d %s, not 200, 401 or 403", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	encoding := answer.Header.Get("Content-Encoding")
	fits := err == nil && len(text) <= maxAnswer && (encoding == "" || encoding == "identity")
	switch {
	case refuses && !fits: // its status is there, so it is a refusal
		return g, refusal(&http.Response{StatusCode: answer.StatusCode}, nil)
	case refuses:
		return g, refusal(answer, text)
	case err != nil:
		return g, reason(err)
	case len(text) > maxAnswer:
		return g, fmt.Errorf("the answer is over %d bytes", maxAnswer)
	case !fits:
		return g, errors.New("the answer has a Content-Encoding; it must be plain JSON")
	}
	if g, err = parse(text); err != nil {
		return g, fmt.Errorf("the answer cannot be used: %w", err)
	}
	return g, nil
}

// reason returns an error of the client without the address, whose query may be a secret.
func reason(err error) error {
	var where *url.Error
	if errors.As(err, &where) {
		err = where.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("there was no whole answer within AUTH_TIMEOUT")
	}
	return err
}

// finish remembers the result, ends the life of what is over, and wakes all who wait.
func (c *call) finish() {
	b := c.b
	var refused *Refused
	var limited *Limited
	switch {
	case c.err == nil:
		b.granted.Add(1)
		b.troubles.over()
	case errors.As(c.err, &refused):
		b.refused.Add(1)
		b.troubles.over()
	case errors.As(c.err, &limited):
	default:
		b.failed.Add(1)
		if b.ctx.Err() == nil {
			b.troubles.note(c.err)
		}
		c.err = ErrTrouble
	}
	if c.tries != nil {
		switch {
		case c.err == nil:
			c.tries.Granted(c.sent.session)
		case refused != nil:
			c.tries.Refused(c.sent.session)
		}
	}
	b.mu.Lock()
	delete(b.calls, c.key)
	over, why := b.apply(c, time.Now())
	b.mu.Unlock()
	if over != nil && why != "" {
		over.life.End(why)
	}
	close(c.done)
}
