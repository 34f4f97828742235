package eventlog

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// Bounds of the idempotency answers in memory.
const (
	answerLife    = 2 * time.Minute
	maxPerOwner   = 100_000
	maxKeysInAll  = 500_000
	reservedShare = 4  // a quarter of all keys is for owners with few keys,
	fewShare      = 64 // which have at most 1/64 of what one owner may have
)

// The errors of Claim.
var (
	ErrKeyConflict = errors.New("the idempotency key was used with another body")
	ErrTooManyKeys = errors.New("too many idempotency keys are remembered")
)

// Claim is the right to publish under an idempotency key. One request has it at a time.
type Claim struct {
	table  *answers
	answer Answer        // its ids are set when the claim is fulfilled
	done   chan struct{} // closed when it is fulfilled or released
	queued bool          // the committer owns the claim; Release does nothing
	state  claimState
}

// The states of a claim:
//
//	underWay --settle with ids--> fulfilled --after answerLife--> forgotten
//	underWay --Release, or settle without ids--> released, and forgotten at once
type claimState uint8

const (
	underWay claimState = iota
	fulfilled
	released
)

// answers are the claims under way and the fulfilled ones, by the hash of owner and key. Fulfilled claims are also in
// order, by id. Ids are times of the clock, so the oldest claims expire from the front.
type answers struct {
	clock       *Clock
	mostInAll   int
	mostPerUser int

	mu     sync.Mutex
	claims map[[16]byte]*Claim
	owners map[[8]byte]int
	order  []*Claim // fulfilled, by id
}

func newAnswers(clock *Clock) *answers {
	return &answers{clock: clock, mostInAll: maxKeysInAll, mostPerUser: maxPerOwner, claims: map[[16]byte]*Claim{}, owners: map[[8]byte]int{}}
}

// hashKey hashes an owner and their key; neither is stored in clear. The owner is hashed on its own first, so that two
// different pairs never give the same input.
func hashKey(owner, key string) (k [16]byte, o [8]byte) {
	whose := sha256.Sum256([]byte(owner))
	both := sha256.Sum256(append(whose[:], key...))
	return [16]byte(both[:16]), [8]byte(whose[:8])
}

// Claim asks for the right to publish under key. It returns a claim, or the remembered answer to an earlier request
// with the same body. While another request with the key is under way, it waits. The error is ErrKeyConflict,
// ErrTooManyKeys or the context's. The caller must pass the claim to Append or release it.
func (l *Log) Claim(ctx context.Context, owner, key string, body [32]byte) (*Claim, *Answer, error) {
	k, o := hashKey(owner, key)
	for {
		mine, other, err := l.answers.claim(k, o, body)
		if err != nil || mine != nil {
			return mine, nil, err
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		if a, ok := l.answers.answer(other); ok {
			return nil, &a, nil
		}
	}
}

// claim returns a new claim, or the existing claim with the same key and body.
func (t *answers) claim(k [16]byte, o [8]byte, body [32]byte) (mine, other *Claim, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	if c := t.claims[k]; c != nil {
		if c.answer.Body != body {
			return nil, nil, ErrKeyConflict
		}
		return nil, c, nil
	}
	if t.full(o) {
		return nil, nil, ErrTooManyKeys
	}
	c := &Claim{table: t, answer: Answer{Key: k, Owner: o, Body: body}, done: make(chan struct{})}
	t.claims[k] = c
	t.owners[o]++
	return c, nil, nil
}

// full reports whether an owner may have no more keys. The last quarter of all keys is for owners with few of them, so
// that a few owners with many keys cannot make everybody else fail.
func (t *answers) full(o [8]byte) bool {
	n, most := t.owners[o], t.mostInAll
	if n >= max(1, t.mostPerUser/fewShare) {
		most -= t.mostInAll / reservedShare
	}
	return n >= t.mostPerUser || len(t.claims) >= most
}

func (t *answers) answer(c *Claim) (Answer, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.answer, c.state == fulfilled
}

func (t *answers) expire() {
	limit := t.clock.Before(answerLife)
	n := 0
	for n < len(t.order) && t.order[n].answer.First <= limit {
		t.forget(t.order[n])
		t.order[n] = nil
		n++
	}
	if t.order = t.order[n:]; len(t.order) == 0 {
		t.order = nil
	}
}

func (t *answers) forget(c *Claim) {
	delete(t.claims, c.answer.Key)
	if t.owners[c.answer.Owner]--; t.owners[c.answer.Owner] == 0 {
		delete(t.owners, c.answer.Owner)
	}
}

// restore adds an answer that was read from the engine.
func (t *answers) restore(a Answer) {
	c := &Claim{table: t, answer: a, done: make(chan struct{}), queued: true, state: fulfilled}
	close(c.done)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.claims[a.Key] == nil {
		t.claims[a.Key] = c
		t.owners[a.Owner]++
		t.order = append(t.order, c)
	}
}

// Release gives the key up, so that a repeated request may publish. It does nothing after Append has taken the claim:
// from then on only the committer knows the outcome.
func (c *Claim) Release() {
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	if !c.queued {
		c.release()
	}
}

func (c *Claim) release() {
	if c.state == underWay {
		c.state = released
		c.table.forget(c)
		close(c.done)
	}
}

// take makes the committer the owner of the claim.
func (c *Claim) take() {
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	c.queued = true
}

// settle ends the claim. With count 0 nothing was stored, and the claim is released.
func (c *Claim) settle(first uint64, count int) {
	t := c.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if count == 0 {
		c.release()
		return
	}
	c.answer.First, c.answer.Count, c.state = first, count, fulfilled
	t.order = append(t.order, c)
	close(c.done)
}
