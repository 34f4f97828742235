package auth

import (
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/auth/backend"
	"sluice/auth/grant"
	"sluice/channel"
)

// Identity is who sent a request, and what they may do. Nothing changes it, and all requests with the same
// credential share it.
type Identity struct {
	Name    string    // names of keys and subjects of tokens, for logs
	Kind    string    // jwt, key, jwt+key, or app
	Scope   string    // what limits for each credential count by: the scope of one of the credentials
	Expires time.Time // zero: never
	Sub     channel.Set
	Pub     channel.Set
	Rest    channel.Set // METHOD:collection of documents

	keys     []*Key
	lives    []*grant.Life // of API keys, of users and their sessions, and of the keys that sign tokens
	bearers  []*bearer     // what revocations of tokens can name
	limiters []*limiter
	answer   *backend.Answer // nil, except of an identity that the application decided about
}

// join returns the union of several identities. It ends when the first of them ends.
func join(ids []*Identity) *Identity {
	if len(ids) == 1 {
		return ids[0]
	}
	// Sorted by scope, so that all requests with the same two keys lock their limiters in the same order (see Take).
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

// charged chooses the one of several identities whose limits count for all of them. If each combination had a scope of
// its own, a client with several keys would get a share for each combination. A token comes first, because all users of
// an app may share its key.
func charged(ids []*Identity) *Identity {
	for _, id := range ids {
		if len(id.bearers) > 0 {
			return id
		}
	}
	return ids[0]
}

// IdempotencyScope returns the scope in which an Idempotency-Key is unique: the credential. All tokens that a key minted
// share one scope, so that a page can repeat a request with its next token. It is not the key's own scope: otherwise a
// page could use an Idempotency-Key before the key does, or find out that the key has used it.
func (id *Identity) IdempotencyScope() string {
	if len(id.keys) > 0 && len(id.bearers) > 0 {
		return id.Scope + "\x00tokens"
	}
	return id.Scope
}

// OriginAllowed reports whether a page of this origin may use the keys. A request without an origin is not a
// browser's cross-origin request, so it is allowed.
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

// Frames returns how the key wants the frames of custom events to be named, or "" for the gateway's setting.
func (id *Identity) Frames() string {
	for _, k := range id.keys {
		if k.frames != "" {
			return k.frames
		}
	}
	return ""
}

// OnEnd calls f once, with Revoked or Changed, when anything that the identity depends on is removed, revoked or changed;
// not after stop is called. No goroutine waits for it.
func (id *Identity) OnEnd(f func(grant.End)) (stop func()) {
	var once sync.Once
	var stops []func() bool
	for _, l := range id.lives {
		stops = append(stops, l.OnEnd(func(why grant.End) { once.Do(func() { f(why) }) }))
	}
	for _, b := range id.bearers {
		stops = append(stops, b.onRevoked(func(why grant.End) { once.Do(func() { f(why) }) }))
	}
	if end := id.Ended(); end != "" { // it may have ended before OnEnd was called
		once.Do(func() { f(end) })
	}
	return func() {
		for _, s := range stops {
			s()
		}
	}
}

// Hold must be called when a stream or socket begins that lives by the identity, and Release when it ends. An answer of the
// application is renewed in between. Other identities need neither.
func (id *Identity) Hold() {
	if id.answer != nil {
		id.answer.Hold()
	}
}

// Release ends what Hold began.
func (id *Identity) Release() {
	if id.answer != nil {
		id.answer.Release()
	}
}

// Ended returns Revoked or Changed once anything that the identity depends on was removed, revoked or changed, and ""
// before that. It is cheap, for callers that ask often; others use OnEnd.
func (id *Identity) Ended() grant.End {
	for _, l := range id.lives {
		if end := l.Ended(); end != "" {
			return end
		}
	}
	for _, b := range id.bearers {
		if b.isRevoked() {
			return Revoked
		}
	}
	return ""
}

// Over returns an error if the identity has ended or expired since its request was accepted. Doors ask before they change
// anything, because the body of a request may arrive slowly.
func (id *Identity) Over(now time.Time) *Error {
	ended, expired := id.Ended() != "", !id.Expires.IsZero() && !now.Before(id.Expires)
	switch {
	case id.answer != nil && ended:
		return errAnswerEnded
	case id.answer != nil && id.answer.Over(now):
		return errAnswerOver
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

// Take charges n events to all publish rates of the identity and returns true. If one of the rates is used up, it
// charges none, and returns false and the time until a batch may pass.
func (id *Identity) Take(now time.Time, n int) (bool, time.Duration) {
	for _, l := range id.limiters {
		l.mu.Lock()
	}
	defer func() { // one defer, because each defer in a loop allocates
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
