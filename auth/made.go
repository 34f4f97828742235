package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/store/eventlog"
)

// Only the answer to the request that makes a key shows its secret, and that answer can be lost on the way. So a client
// may repeat the request with the same idempotency key. For ten minutes it gets the same answer. After that, and after a
// restart, a row still names the key by the hash of the idempotency key, so that a repeat never makes a second key.

// Once identifies a request to make a key.
type Once struct {
	Key  string            // the idempotency key; only its hash is stored
	Body [sha256.Size]byte // the hash of the body
}

// ErrOtherBody refuses a repeat with a different body.
var ErrOtherBody = errors.New("the idempotency key was used with another body")

// MadeError is the error of a repeat whose answer is no longer remembered.
type MadeError struct{ Key KeyInfo }

func (*MadeError) Error() string { return "the key was already made, and is not shown again" }

// Limits of the answers that are remembered: secrets should not stay in memory for long.
const (
	createdKeyLife = 10 * time.Minute
	maxMade        = 100
)

// createdKey is the answer to a request that made a key.
type createdKey struct {
	once string
	body [sha256.Size]byte
	at   time.Time
	info KeyInfo
	key  string
}

// name is the hash of the idempotency key, which is in the key's row.
func (o *Once) name() string {
	if o == nil {
		return ""
	}
	sum := sha256.Sum256([]byte("idempotency key of POST /admin/keys\x00" + o.Key))
	return hex.EncodeToString(sum[:16])
}

// CreateKeyOnce is CreateKey for a request that may be repeated; again reports whether it is a repeat.
func (a *Authenticator) CreateKeyOnce(ctx context.Context, once Once, c KeyChange) (info KeyInfo, key string, again bool, err error) {
	var m createdKey
	err = a.keys.store.log.Retry(ctx, func() error {
		before, was, err := a.earlierKey(&once)
		if err != nil {
			return err
		}
		if again = before != nil; again {
			m = *before
			a.keys.store.effects.Wait()
			return nil
		}
		m, err = a.createKey(ctx, &once, c, was)
		return err
	})
	if err != nil {
		return KeyInfo{}, "", false, err
	}
	return m.info, m.key, again, nil
}

// remember keeps an answer for createdKeyLife.
func (s *keyStore) remember(m createdKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(m.at)
	s.made = append(s.made, m)
	time.AfterFunc(createdKeyLife, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.forget(m.at.Add(createdKeyLife))
	})
}

// forget removes old answers, and the oldest if there are too many.
func (s *keyStore) forget(now time.Time) {
	for len(s.made) > 0 && (len(s.made) >= maxMade || now.Sub(s.made[0].at) >= createdKeyLife) {
		s.made[0] = createdKey{} // otherwise the secret would stay in the array
		s.made = s.made[1:]
	}
}

// unmade forgets the answer about a key that was not made.
func (s *keyStore) unmade(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = slices.DeleteFunc(s.made, func(m createdKey) bool { return m.info.ID == id })
}

// answer returns the remembered answer to the request that made a key, or nil.
func (s *keyStore) answer(once, id string, now time.Time) *createdKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	for _, m := range s.made {
		if m.once == once && m.info.ID == id {
			return &m
		}
	}
	return nil
}

// earlierKey returns the answer to an earlier request with the same idempotency key, or nil if there was none. was is the
// row of the idempotency key, for the commit to depend on.
func (a *Authenticator) earlierKey(once *Once) (before *createdKey, was []byte, err error) {
	s, name := a.keys.store, once.name()
	if was, err = s.log.Row(rowOnce + name); err != nil {
		return nil, nil, fmt.Errorf("reading an idempotency key: %w", err)
	}
	id := string(was)
	if was == nil {
		id = s.earlier(name)
	}
	if id == "" {
		return nil, was, nil
	}
	k, _, err := a.changeable(id)
	switch {
	case errors.Is(err, ErrNoKey), err == nil && k.Once != name: // it was removed by an earlier version
		return nil, was, nil
	case err != nil:
		return nil, was, err
	}
	of, err := k.inForce(id, a.keys.defaultRate)
	if err != nil {
		return nil, was, err
	}
	switch m := s.answer(name, id, a.now()); {
	case m == nil:
		return nil, was, &MadeError{of.info()}
	case m.body != once.Body:
		return nil, was, ErrOtherBody
	case !s.has(id):
		return nil, was, eventlog.ErrRow // it is just being stored, and not in force yet
	default:
		return m, was, nil
	}
}

// earlier returns the id of a key that an earlier version made for an idempotency key: there is no row of that. "" if there
// is none.
func (s *keyStore) earlier(once string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, k := range s.specs {
		if k.Once == once {
			return id
		}
	}
	return ""
}
