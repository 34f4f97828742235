// Package version says which state of a thing a change is meant for, so that nobody undoes what they have not seen.
//
// Invariant: a version is compared where nothing can come between it and the commit.
package version

import (
	"cmp"
	"crypto/rand"
)

// first is the version of what was stored before there were versions, and has not changed since.
const first = "0"

// New makes the version of a new state. It is random, so that a thing which was removed and made again has none of its
// former versions.
func New() string { return rand.Text() }

// Of makes the version that answers hold from the one that is stored.
func Of(stored string) string { return cmp.Or(stored, first) }

// Match reports whether a change is meant for the state of a version. A nil Match is for each.
type Match func(version string) bool

// Check is nil where the change is meant for the version of what there is now, else a *ChangedError with that.
func Check[T any](m Match, version string, now T) error {
	if m == nil || m(version) {
		return nil
	}
	return &ChangedError[T]{now}
}

// ChangedError is the error of a change that is meant for another state.
type ChangedError[T any] struct {
	Now T // as clients may see it
}

func (*ChangedError[T]) Error() string { return "it has changed meanwhile" }
