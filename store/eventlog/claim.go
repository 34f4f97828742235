package eventlog

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// Bounds of what idempotency remembers.
const (
	answerLife   = 2 * time.Minute
	maxPerOwner  = 100_000
	maxKeysInAll = 500_000
	keptShare    = 4  // one in so many keys is kept for owners that have few,
	fewShare     = 64 // which is one in so many of those that an owner may have
)

// What Claim refuses.
var (
	ErrKeyConflict = errors.New("the idempotency key was used with another body")
	ErrTooManyKeys = errors.New("too many idempotency keys are remembered")
)

// Claim is the right to publish under an idempotency key: who holds it is the first.
type Claim struct {
	table  *answers
	answer Answer        // ids are set when it is fulfilled
	done   chan struct{} // closed when it is fulfilled or released
	queued bool          // the committer has it: Release is not the holder's any more
	state  claimState
}

type claimState uint8

const (
	underWay claimState = iota
	fulfilled
	released
)

// answers are the remembered ones and those under way, by hash of credential and key. Remembered
// ones leave from the front, in order of their ids, which are times of the clock.
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

// hashKey hashes an owner and a key of theirs; neither is kept. The owner's length goes first, so
// that no two pairs run together.
func hashKey(owner, key string) (k [16]byte, o [8]byte) {
	whose := sha256.Sum256([]byte(owner))
	both := sha256.Sum256(append(whose[:], key...))
	return [16]byte(both[:16]), [8]byte(whose[:8])
}

// Claim asks to be the first to publish under key. It answers with a claim, or with what is
// remembered for the same body, waiting while another is under way; else ErrKeyConflict,
// ErrTooManyKeys or the context's error. A claim must be handed to Append, or released.
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

// claim gives a new claim, or the one that stands in its way.
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

// full reports whether an owner may have no more keys. The last quarter is for owners that have few, so that a few
// owners with many keys do not refuse everybody.
func (t *answers) full(o [8]byte) bool {
	n, most := t.owners[o], t.mostInAll
	if n >= max(1, t.mostPerUser/fewShare) {
		most -= t.mostInAll / keptShare
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

// restore puts an answer back that was read from the engine.
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

// Release gives the key free, so that a repeat may publish. It does nothing once Append has taken
// the claim: then only the committer knows what became of it.
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

// take marks the claim as the committer's.
func (c *Claim) take() {
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	c.queued = true
}

// settle ends the claim: with the ids stored, or (count 0) without.
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
