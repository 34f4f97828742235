// Package version has versions of keys and users, which clients compare (If-Match), so that no change undoes another one
// that its author has not seen.
//
// Invariant: no other change can happen between the comparison of a version and the commit.
package version

import (
	"cmp"
	"crypto/rand"
)

// first is the version of what an earlier version of the gateway stored without one.
const first = "0"

// New makes a version. It is random, so that something that was removed and made again never has an earlier version.
func New() string { return rand.Text() }

// Of returns the version to show for a stored one.
func Of(stored string) string { return cmp.Or(stored, first) }

// Match reports whether a change is meant for a version. A nil Match accepts every version.
type Match func(version string) bool

// Check is nil where the change is meant for the version of what there is now, else a *ChangedError with that.
func Check[T any](m Match, version string, now T) error {
	if m == nil || m(version) {
		return nil
	}
	return &ChangedError[T]{now}
}

// ChangedError is the error of a change that is meant for another version.
type ChangedError[T any] struct {
	Now T // as clients may see it
}

func (*ChangedError[T]) Error() string { return "it has changed meanwhile" }
