package driftdb

import (
	"slices"
	"testing"
)

// What is held back for a connection is bounded in number and in bytes.
func TestHeldIsBounded(t *testing.T) {
	t.Parallel()
	small, large := record{text: make([]byte, 10)}, record{text: make([]byte, heldBytes/2)}
	for _, c := range []struct {
		name string
		held []record
		full bool
	}{
		{"nothing", nil, false},
		{"some", []record{small, large}, false},
		{"large ones", []record{large, small, large}, true},
		{"one below", slices.Repeat([]record{small}, heldMost-1), false},
		{"many", slices.Repeat([]record{small}, heldMost), true},
	} {
		if got := (&conn{held: c.held}).full(); got != c.full {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
