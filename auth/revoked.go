package auth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"

	"sluice/auth/grant"
	"sluice/store/eventlog"
	"sluice/store/rows"
)

// Revocation names the tokens to revoke: one by its jti, or all that were issued to a subject so far.
type Revocation struct {
	JTI     string `json:"jti,omitempty"`
	Subject string `json:"subject,omitempty"`
}

// ErrTooManyRevoked is the error of Revoke when the list is full. Revoke never forgets a revocation: its token would be
// valid again.
var ErrTooManyRevoked = errors.New("too many tokens are revoked; change the keys they are signed with")

// Limits of the revocations.
const (
	maxRevoked     = 1_000_000
	maxRevokedText = 1024 // bytes
)

// Prefixes of the rows; jti or subject follow. The value is the second of the revocation.
const (
	rowJTI     = rows.RevokedJTI
	rowSubject = rows.RevokedSubject
)

// revoked has all revocations. They follow the rows. mu is a leaf: the functions of watching are called without it.
type revoked struct {
	log      *eventlog.Log
	effects  *eventlog.Effects
	mu       sync.RWMutex
	jtis     map[string]int64 // the second of the revocation
	subjects map[string]int64 // the second of the revocation; tokens issued until then are revoked
	watching map[*watch]struct{}
	ending   bool          // the effects will look for watches of revoked tokens
	changes  atomic.Uint64 // the number of revocations since the start
}

// watch has a function to call when a token is revoked.
type watch struct {
	of *bearer
	f  func(grant.End)
}

// bearer has the parts of a token that a revocation can name.
type bearer struct {
	in      *revoked
	jti     string
	subject string
	issued  int64         // in seconds
	fine    atomic.Uint64 // revoked.changes+1 when the token was last found valid: until the next revocation, no lock is needed
}

func newRevoked() *revoked {
	return &revoked{jtis: map[string]int64{}, subjects: map[string]int64{}, watching: map[*watch]struct{}{}}
}

func (r *revoked) open(log *eventlog.Log) error {
	r.log, r.effects = log, log.Effects()
	err := r.follow(rowJTI, r.jtis)
	if err == nil {
		err = r.follow(rowSubject, r.subjects)
	}
	if err != nil {
		return fmt.Errorf("reading revocations: %w", err)
	}
	return nil
}

// follow lets a map follow the rows of one kind of revocations.
func (r *revoked) follow(prefix string, to map[string]int64) error {
	return r.log.FollowRows(prefix, eventlog.Cache{
		Put: func(name string, row []byte) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if row == nil {
				delete(to, name)
				return nil
			}
			to[name] = secondOf(row)
			r.changes.Add(1)
			if !r.ending {
				r.ending = true
				r.effects.Do(r.end)
			}
			return nil
		},
		Names: func(prefix string) []string {
			r.mu.RLock()
			defer r.mu.RUnlock()
			return eventlog.Named(to, prefix)
		},
	})
}

// secondOf reads a row. If a newer version has written it in another form, all tokens of the subject are
// revoked: a revocation is never forgotten.
func secondOf(row []byte) int64 {
	second, err := strconv.ParseInt(string(row), 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	return second
}

// Revoke revokes tokens, and ends the streams and sockets that were opened with them.
func (a *Authenticator) Revoke(ctx context.Context, v Revocation) error {
	r := a.revoked
	if (v.JTI == "") == (v.Subject == "") || len(v.JTI)+len(v.Subject) > maxRevokedText {
		return fmt.Errorf("%w, of at most %d bytes", ErrRevocation, maxRevokedText)
	}
	key := rowJTI + v.JTI
	if v.Subject != "" {
		key = rowSubject + v.Subject
	}
	err := r.log.Retry(ctx, func() error {
		was, err := r.log.Row(key)
		if err != nil {
			return fmt.Errorf("reading a revocation: %w", err)
		}
		second := a.now().Unix()
		if was != nil { // the clock of who revoked before may have been ahead
			second = max(second, secondOf(was))
		} else if r.full() {
			return ErrTooManyRevoked
		}
		_, err = r.log.Append(context.WithoutCancel(ctx), &eventlog.Request{
			Rows: []eventlog.Row{{Key: key, Value: fmt.Append(nil, second)}}, If: []eventlog.Condition{eventlog.RowIs(key, was)}, FromReserve: true,
		})
		if err != nil {
			return fmt.Errorf("storing a revocation: %w", err)
		}
		return nil
	})
	r.effects.Wait()
	return err
}

func (r *revoked) full() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.jtis)+len(r.subjects) >= maxRevoked
}

// end ends what was opened with tokens that are revoked by now.
func (r *revoked) end() {
	for _, w := range r.take() { // without the lock, because f may call stop
		w.f(Revoked)
	}
}

// take removes the watches of revoked tokens, and returns them.
func (r *revoked) take() (over []*watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ending = false
	for w := range r.watching {
		if r.names(w.of) {
			over = append(over, w)
			delete(r.watching, w)
		}
	}
	return over
}

// names reports whether a revocation names a token. The caller holds mu.
func (r *revoked) names(b *bearer) bool {
	if _, one := r.jtis[b.jti]; one && b.jti != "" {
		return true
	}
	second, all := r.subjects[b.subject]
	return all && b.issued <= second
}

// isRevoked reports whether a token was revoked.
func (b *bearer) isRevoked() bool {
	if b == nil {
		return false
	}
	changes := b.in.changes.Load()
	if b.fine.Load() == changes+1 {
		return false
	}
	b.in.mu.RLock()
	defer b.in.mu.RUnlock()
	if b.in.names(b) {
		return true
	}
	b.fine.Store(changes + 1)
	return false
}

// onRevoked calls f when the token is revoked; not after stop is called.
func (b *bearer) onRevoked(f func(grant.End)) (stop func() bool) {
	w := &watch{b, f}
	b.in.mu.Lock()
	defer b.in.mu.Unlock()
	b.in.watching[w] = struct{}{}
	return func() bool {
		b.in.mu.Lock()
		defer b.in.mu.Unlock()
		delete(b.in.watching, w)
		return true
	}
}

// issuedAt returns the second of a token's iat. A token without iat counts as issued before every revocation.
func issuedAt(c *claims) int64 {
	if c.iat == nil {
		return 0
	}
	return c.iat.Unix()
}
