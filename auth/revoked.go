package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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

// revoked has all revocations. mu is a leaf: the functions of watching are called without it.
type revoked struct {
	log      *eventlog.Log
	mu       sync.RWMutex
	jtis     map[string]bool
	subjects map[string]int64 // the second of the revocation; tokens issued until then are revoked
	watching map[*watch]struct{}
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
	return &revoked{jtis: map[string]bool{}, subjects: map[string]int64{}, watching: map[*watch]struct{}{}}
}

func (r *revoked) open(log *eventlog.Log) error {
	r.log = log
	err := log.Rows(rowJTI, func(row eventlog.Row) error {
		r.jtis[strings.TrimPrefix(row.Key, rowJTI)] = true
		return nil
	})
	if err == nil {
		err = log.Rows(rowSubject, func(row eventlog.Row) error {
			var second int64
			if err := json.Unmarshal(row.Value, &second); err != nil {
				return err
			}
			r.subjects[strings.TrimPrefix(row.Key, rowSubject)] = second
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("reading revocations: %w", err)
	}
	return nil
}

// Revoke revokes tokens, and ends the streams and sockets that were opened with them.
func (a *Authenticator) Revoke(ctx context.Context, v Revocation) error {
	return eventlog.Changed(ctx, a.revoked.log, func(ctx context.Context) error { return a.revoke(ctx, v) })
}

func (a *Authenticator) revoke(ctx context.Context, v Revocation) error {
	r := a.revoked
	if (v.JTI == "") == (v.Subject == "") || len(v.JTI)+len(v.Subject) > maxRevokedText {
		return fmt.Errorf("%w, of at most %d bytes", ErrRevocation, maxRevokedText)
	}
	second := a.now().Unix()
	row := eventlog.Row{Key: rowJTI + v.JTI, Value: fmt.Append(nil, second)}
	if v.Subject != "" {
		row.Key = rowSubject + v.Subject
	}
	if r.full() {
		return ErrTooManyRevoked
	}
	if _, err := r.log.Append(context.WithoutCancel(ctx), &eventlog.Request{Rows: []eventlog.Row{row}, FromReserve: true}); err != nil {
		return fmt.Errorf("storing a revocation: %w", err)
	}
	for _, w := range r.add(v, second) { // without the lock, because f may call stop
		w.f(Revoked)
	}
	return nil
}

func (r *revoked) full() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.jtis)+len(r.subjects) >= maxRevoked
}

// add puts a revocation in force and returns the watches of the tokens that it names.
func (r *revoked) add(v Revocation, second int64) (concerned []*watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v.JTI != "" {
		r.jtis[v.JTI] = true
	} else {
		r.subjects[v.Subject] = second
	}
	r.changes.Add(1)
	for w := range r.watching {
		if r.names(w.of) {
			concerned = append(concerned, w)
		}
	}
	return concerned
}

// names reports whether a revocation names a token. The caller holds mu.
func (r *revoked) names(b *bearer) bool {
	if b.jti != "" && r.jtis[b.jti] {
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
