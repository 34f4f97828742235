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

// Revocation names tokens that are worth nothing any more: one by its jti, or all that a subject was given so
// far.
type Revocation struct {
	JTI     string `json:"jti,omitempty"`
	Subject string `json:"subject,omitempty"`
}

// ErrTooManyRevoked is the error of Revoke when it remembers all it can: letting one go would give a token back.
var ErrTooManyRevoked = errors.New("too many tokens are revoked; change the keys they are signed with")

// Bounds of what is remembered.
const (
	maxRevoked     = 1_000_000
	maxRevokedText = 1024
)

// The rows: the time of the revocation.
const (
	rowJTI     = rows.RevokedJTI
	rowSubject = rows.RevokedSubject
)

// revoked are the revocations. Lock order: mu is a leaf; what it tells is called without it.
type revoked struct {
	log      *eventlog.Log
	mu       sync.RWMutex
	jtis     map[string]bool
	subjects map[string]int64 // the second of the revocation: tokens issued up to it are worth nothing
	watching map[*watch]struct{}
	changes  atomic.Uint64 // how many revocations there were
}

// watch is a stream that wants to know when its token is revoked.
type watch struct {
	of *bearer
	f  func(grant.End)
}

// bearer is what of a token a revocation can name.
type bearer struct {
	in      *revoked
	jti     string
	subject string
	issued  int64
	fine    atomic.Uint64 // up to so many revocations none named it, and 1: those who ask often need no lock
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

// Revoke makes tokens worthless, and ends what was opened with them.
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
	for _, w := range r.add(v, second) {
		w.f(Revoked)
	}
	return nil
}

func (r *revoked) full() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.jtis)+len(r.subjects) >= maxRevoked
}

// add puts a revocation in force and gives those who are concerned.
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

func (r *revoked) names(b *bearer) bool {
	if b.jti != "" && r.jtis[b.jti] {
		return true
	}
	second, all := r.subjects[b.subject]
	return all && b.issued <= second
}

// is says whether a token was revoked.
func (b *bearer) is() bool {
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

// onRevoked calls f once the token is revoked, until stop is called.
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

// issuedAt is the second of a token's iat; one without was issued before all that is revoked.
func issuedAt(c *claims) int64 {
	if c.iat == nil {
		return 0
	}
	return c.iat.Unix()
}
