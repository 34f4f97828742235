package auth

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/broker/channel"
)

// Identity is who a request is from, and what that grants.
type Identity struct {
	Name    string    // names of keys and subjects of tokens, for logs
	Kind    string    // jwt, key, or jwt+key
	Scope   string    // what per-credential bounds count by
	Expires time.Time // zero: never
	Sub     channel.Set
	Pub     channel.Set

	keys     []*Key
	limiters []*limiter
}

// grant is what one credential gives.
type grant struct {
	name, kind, scope string
	expires           time.Time
	sub, pub          channel.Set
	key               *Key
	limiter           *limiter
}

// join makes the union of several grants, which ends when the first of them does.
func join(grants []grant) *Identity {
	// In order of scope, so that requests with the same two keys lock their limiters in one order.
	slices.SortFunc(grants, func(a, b grant) int { return strings.Compare(a.scope, b.scope) })
	id := &Identity{}
	var names, kinds, scopes []string
	for _, g := range grants {
		names, kinds, scopes = append(names, g.name), append(kinds, g.kind), append(scopes, g.scope)
		id.Sub, id.Pub = id.Sub.Union(g.sub), id.Pub.Union(g.pub)
		if !g.expires.IsZero() && (id.Expires.IsZero() || g.expires.Before(id.Expires)) {
			id.Expires = g.expires
		}
		if g.key != nil {
			id.keys = append(id.keys, g.key)
		}
		if !slices.Contains(id.limiters, g.limiter) {
			id.limiters = append(id.limiters, g.limiter)
		}
	}
	slices.Sort(kinds)
	id.Name = strings.Join(names, "+")
	id.Kind = strings.Join(slices.Compact(kinds), "+")
	id.Scope = strings.Join(slices.Compact(scopes), "\x00")
	return id
}

// OriginAllowed says whether a page of this origin may use the keys; a request without one is no
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

// OnEnd calls f once, with Revoked or Changed, when a key of the identity is removed or its grant
// changes, until stop is called. No goroutine waits for it.
func (id *Identity) OnEnd(f func(reason string)) (stop func()) {
	var once sync.Once
	var stops []func() bool
	for _, k := range id.keys {
		stops = append(stops, context.AfterFunc(k.ctx, func() {
			once.Do(func() { f(context.Cause(k.ctx).Error()) })
		}))
	}
	return func() {
		for _, s := range stops {
			s()
		}
	}
}

// Take charges n events to the publish rates, or says how long to wait. All or none are charged.
func (id *Identity) Take(now time.Time, n int) (bool, time.Duration) {
	for _, l := range id.limiters {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	for _, l := range id.limiters {
		if ok, wait := l.left(now); !ok {
			return false, wait
		}
	}
	for _, l := range id.limiters {
		l.charge(now, n)
	}
	return true, 0
}
