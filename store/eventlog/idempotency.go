package eventlog

import (
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// Bounds of the remembered answers.
const (
	answerLife    = 2 * time.Minute
	maxPerOwner   = 100_000
	maxKeysInAll  = 500_000
	reservedShare = 4  // a quarter of all keys is for owners with few keys,
	fewShare      = 64 // which have at most 1/64 of what one owner may have
)

// The errors of a request with an idempotency key.
var (
	ErrKeyConflict = errors.New("the idempotency key was used with another body")
	ErrTooManyKeys = errors.New("too many idempotency keys are remembered")
)

// Once makes a request take effect once: if a request with the same key was stored within two minutes, its answer is
// given again.
type Once struct {
	Key   [16]byte // hash of owner and key
	Owner [8]byte  // hash of the owner alone, to count the keys of each
	Body  [32]byte // hash of the body

	// The bounds where the request was made, since all who apply it must come to the same outcome.
	MostInAll, MostPerOwner int

	Replayed bool // set by Append: the ids are those of the earlier request
}

// Once returns what makes a request of an owner take effect once, and the answer to an earlier request if it is known
// already. Append finds the answer too, so the look here only spares work. The error is ErrKeyConflict. Append's can be
// ErrTooManyKeys as well.
func (l *Log) Once(owner, key string, body [32]byte) (*Once, *Answer, error) {
	o := &Once{Body: body, MostInAll: l.options.Keys, MostPerOwner: max(1, l.options.Keys/(maxKeysInAll/maxPerOwner))}
	o.Key, o.Owner = hashKey(owner, key)
	a, err := l.answers.find(o, l.clock.Before(answerLife))
	return o, a, err
}

// expiredAnswers is the highest id of an answer that is forgotten at a time of the log.
func expiredAnswers(at uint64) uint64 { return at - min(at, uint64(answerLife.Microseconds())) }

// hashKey hashes an owner and their key; neither is stored in clear. The owner is hashed on its own first, so that two
// different pairs never give the same input.
func hashKey(owner, key string) (k [16]byte, o [8]byte) {
	whose := sha256.Sum256([]byte(owner))
	both := sha256.Sum256(append(whose[:], key...))
	return [16]byte(both[:16]), [8]byte(whose[:8])
}

// answers are the remembered answers, by the hash of owner and key, and in order of their ids. Ids are times of the log,
// so the oldest answers expire from the front. The committer changes them after each commit; publishers look.
type answers struct {
	mu     sync.Mutex
	by     map[[16]byte]Answer
	owners map[[8]byte]int
	order  []Answer // by First; the latest answer of each key is also in by
}

func newAnswers() *answers {
	return &answers{by: map[[16]byte]Answer{}, owners: map[[8]byte]int{}}
}

// find returns the remembered answer to a request, if it was given after the id limit.
func (t *answers) find(o *Once, limit uint64) (*Answer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a, there := t.by[o.Key]; there && a.First > limit {
		return a.to(o)
	}
	return nil, nil
}

// to is the answer to a request with the same key.
func (a Answer) to(o *Once) (*Answer, error) {
	if a.Body != o.Body {
		return nil, ErrKeyConflict
	}
	return &a, nil
}

// decide is find for the committer. The answers of the group under way count too. It changes nothing, since the group may fail.
func (t *answers) decide(o *Once, limit uint64, group []Answer) (*Answer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a, there := t.by[o.Key]; there && a.First > limit {
		return a.to(o)
	}
	for len(group) > 0 && group[0].First <= limit {
		group = group[1:]
	}
	inAll, ofOwner := len(t.order)+len(group), t.owners[o.Owner]
	for i := range group {
		if group[i].Key == o.Key {
			return group[i].to(o)
		}
		if group[i].Owner == o.Owner {
			ofOwner++
		}
	}
	for i := 0; i < len(t.order) && t.order[i].First <= limit; i++ { // few: those that have expired since the group began
		inAll--
		if t.order[i].Owner == o.Owner {
			ofOwner--
		}
	}
	if o.full(inAll, ofOwner) {
		return nil, ErrTooManyKeys
	}
	return nil, nil
}

// full reports whether an owner may have no more keys. The last quarter of all keys is for owners with few of them, so
// that a few owners with many keys cannot make everybody else fail.
func (o *Once) full(inAll, ofOwner int) bool {
	most := o.MostInAll
	if ofOwner >= max(1, o.MostPerOwner/fewShare) {
		most -= o.MostInAll / reservedShare
	}
	return ofOwner >= o.MostPerOwner || inAll >= most
}

// add adds an answer that is stored.
func (t *answers) add(a Answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.by[a.Key] = a
	t.owners[a.Owner]++
	t.order = append(t.order, a)
}

// expire forgets the answers up to an id. The committer calls it with the log's time of the first entry of a group, so an
// answer may stay until the next group. If its key is used again in the group, there are two answers for a while.
func (t *answers) expire(limit uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for ; n < len(t.order) && t.order[n].First <= limit; n++ {
		a := &t.order[n]
		if t.by[a.Key].First == a.First {
			delete(t.by, a.Key)
		}
		if t.owners[a.Owner]--; t.owners[a.Owner] == 0 {
			delete(t.owners, a.Owner)
		}
	}
	if t.order = t.order[n:]; len(t.order) == 0 {
		t.order = nil
	}
}
