package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"sluice/store/eventlog"
)

// Only the answer to the request that makes a key shows its secret, and that answer can be lost on the way. So a client
// may repeat the request with the same idempotency key. For ten minutes it gets the same answer. After that, and after a
// restart, the key's row still has the hash of the idempotency key, so that a repeat never makes a second key.

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
	maxCreatedKeys = 100
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
	type result struct {
		createdKey
		again bool
	}
	r, err := eventlog.Change(ctx, a.keys.store.log, func(ctx context.Context) (result, error) {
		s := a.keys.store
		s.changing.Lock()
		defer s.changing.Unlock()
		before, err := a.earlierKey(&once)
		if before != nil || err != nil {
			if before == nil {
				before = &createdKey{}
			}
			return result{*before, true}, err
		}
		info, key, err := a.createKey(ctx, &once, c)
		if err != nil {
			return result{}, err
		}
		m := createdKey{once: once.name(), body: once.Body, at: a.now(), info: info, key: key}
		s.made = append(s.made, m)
		time.AfterFunc(createdKeyLife, func() {
			s.changing.Lock()
			defer s.changing.Unlock()
			s.forget(a.now())
		})
		return result{m, false}, nil
	})
	return r.info, r.key, r.again, err
}

// forget removes old answers, and the oldest if there are too many.
func (s *keyStore) forget(now time.Time) {
	for len(s.made) > 0 && (len(s.made) >= maxCreatedKeys || now.Sub(s.made[0].at) >= createdKeyLife) {
		s.made[0] = createdKey{} // otherwise the secret would stay in the array
		s.made = s.made[1:]
	}
}

// earlierKey returns the answer to an earlier request with the same idempotency key, or nil if there was none.
func (a *Authenticator) earlierKey(once *Once) (*createdKey, error) {
	s, name := a.keys.store, once.name()
	s.forget(a.now())
	for id, k := range s.all() {
		if k.Once != name {
			continue
		}
		for i := range s.made {
			if m := &s.made[i]; m.once == name && m.info.ID == id {
				if m.body != once.Body {
					return nil, ErrOtherBody
				}
				return m, nil
			}
		}
		info, err := a.Key(id)
		if err != nil {
			return nil, err
		}
		return nil, &MadeError{info}
	}
	return nil, nil
}
