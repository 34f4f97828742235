package auth

import (
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/auth/grant"
	"sluice/channel"
)

// Identity is who a request is from, and what that grants. It is never changed, and shared by all
// requests with the same credential.
type Identity struct {
	Name    string    // names of keys and subjects of tokens, for logs
	Kind    string    // jwt, key, or jwt+key
	Scope   string    // what per-credential bounds count by: that of one of the credentials
	Expires time.Time // zero: never
	Sub     channel.Set
	Pub     channel.Set
	Rest    channel.Set // METHOD:collection of documents

	keys     []*Key
	lives    []*grant.Life // of keys, users and their sessions, and the keys of signatures
	bearers  []*bearer     // of tokens
	limiters []*limiter
}

// join makes the union of several credentials' identities, which ends when the first of them does.
func join(ids []*Identity) *Identity {
	if len(ids) == 1 {
		return ids[0]
	}
	// In order of scope, so that requests with the same two keys lock their limiters in one order.
	slices.SortFunc(ids, func(a, b *Identity) int { return strings.Compare(a.Scope, b.Scope) })
	all := &Identity{}
	var names, kinds []string
	for _, id := range ids {
		names, kinds = append(names, id.Name), append(kinds, id.Kind)
		all.Sub, all.Pub, all.Rest = all.Sub.Union(id.Sub), all.Pub.Union(id.Pub), all.Rest.Union(id.Rest)
		if !id.Expires.IsZero() && (all.Expires.IsZero() || id.Expires.Before(all.Expires)) {
			all.Expires = id.Expires
		}
		all.keys = append(all.keys, id.keys...)
		all.lives = append(all.lives, id.lives...)
		all.bearers = append(all.bearers, id.bearers...)
		for _, l := range id.limiters {
			if !slices.Contains(all.limiters, l) {
				all.limiters = append(all.limiters, l)
			}
		}
	}
	slices.Sort(kinds)
	all.Name = strings.Join(names, "+")
	all.Kind = strings.Join(slices.Compact(kinds), "+")
	all.Scope = charged(ids).Scope
	return all
}

// charged is the one of several identities that counts for them all: a scope of their own would give who has some keys a
// share for each choice of them. It is that of a token where there is one, since all users of an app may share its key.
func charged(ids []*Identity) *Identity {
	for _, id := range ids {
		if len(id.bearers) > 0 {
			return id
		}
	}
	return ids[0]
}

// IdempotencyScope returns what an Idempotency-Key is good for: the credential. The tokens that a key minted have one
// together, so that a page can repeat with its next token, and none of the key's own: a page could take those before the
// key does, or learn that it used them.
func (id *Identity) IdempotencyScope() string {
	if len(id.keys) > 0 && len(id.bearers) > 0 {
		return id.Scope + "\x00tokens"
	}
	return id.Scope
}

// OriginAllowed reports whether a page of this origin may use the keys; a request without one is no
// browser's cross-origin request.
func (id *Identity) OriginAllowed(origin string) bool {
	if origin == "" {
		return true
	}
	for _, k := range id.keys {
		if len(k.origins) > 0 && !slices.Contains(k.origins, origin) && !slices.Contains(k.origins, "*") {
			return false
		}
	}
	return true
}

// Frames is how the key wants custom events named, "" where it does not say.
func (id *Identity) Frames() string {
	for _, k := range id.keys {
		if k.frames != "" {
			return k.frames
		}
	}
	return ""
}

// OnEnd calls f once, with Revoked or Changed, when anything that the identity rests on is removed, revoked or changed,
// until stop is called. No goroutine waits for it.
func (id *Identity) OnEnd(f func(grant.End)) (stop func()) {
	var once sync.Once
	var stops []func() bool
	for _, l := range id.lives {
		stops = append(stops, l.OnEnd(func(why grant.End) { once.Do(func() { f(why) }) }))
	}
	for _, b := range id.bearers {
		stops = append(stops, b.onRevoked(func(why grant.End) { once.Do(func() { f(why) }) }))
	}
	if end := id.Ended(); end != "" { // before anybody watched
		once.Do(func() { f(end) })
	}
	return func() {
		for _, s := range stops {
			s()
		}
	}
}

// Ended is Revoked or Changed once anything that the identity rests on was removed, revoked or changed, else "". It is
// for those who look often; others have OnEnd.
func (id *Identity) Ended() grant.End {
	for _, l := range id.lives {
		if end := l.Ended(); end != "" {
			return end
		}
	}
	for _, b := range id.bearers {
		if b.is() {
			return Revoked
		}
	}
	return ""
}

// Over returns what is wrong with an identity that has ended or expired since its request was let in, else nil. Doors
// ask before they change anything: a body may take its time.
func (id *Identity) Over(now time.Time) *Error {
	ended, expired := id.Ended() != "", !id.Expires.IsZero() && !now.Before(id.Expires)
	switch {
	case !ended && !expired:
		return nil
	case len(id.bearers) == 0 && ended:
		return errKeyEnded
	case len(id.bearers) == 0:
		return errKeyExpired
	case ended:
		return errTokenRevoked
	}
	return errTokenExpired
}

// Take charges n events to the publish rates, or returns how long it takes until all of them let a batch pass. All or
// none are charged.
func (id *Identity) Take(now time.Time, n int) (bool, time.Duration) {
	for _, l := range id.limiters {
		l.mu.Lock()
	}
	defer func() { // one defer: those in a loop take memory each
		for _, l := range id.limiters {
			l.mu.Unlock()
		}
	}()
	var longest time.Duration
	for _, l := range id.limiters {
		if ok, wait := l.left(now); !ok {
			longest = max(longest, wait)
		}
	}
	if longest > 0 {
		return false, longest
	}
	for _, l := range id.limiters {
		l.charge(now, n)
	}
	return true, 0
}
