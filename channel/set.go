package channel

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"unsafe"
)

// Set is a union of patterns, minimal and sorted. The zero value matches nothing. Nothing changes a Set, so it may be
// shared.
//
// It takes the memory of its text and 8 bytes for each pattern, since every token and every view has one.
type Set struct {
	text  string // the result of String; a copy, so that nothing of what it was read from stays in memory
	parts []part
}

// The largest number of patterns (docs/protocol.md).
const (
	MaxGrant   = 1000 // of one grant
	MaxRequest = 100  // of one request
)

// NewSet returns the union of the patterns.
func NewSet(patterns ...Pattern) Set {
	for i := range patterns[min(1, len(patterns)):] {
		if compare(patterns[i], patterns[i+1]) >= 0 {
			return newSet(slices.Clone(patterns))
		}
	}
	return packed(minimal(patterns)) // most lists are sorted
}

// newSet is NewSet for a list that it may change.
func newSet(ps []Pattern) Set {
	slices.SortFunc(ps, compare)
	return packed(minimal(slices.Compact(ps)))
}

var everything = NewSet(Pattern{})

// Everything returns the set of the pattern *: all channels of /realtime.
func Everything() Set { return everything }

func compare(a, b Pattern) int {
	if c := strings.Compare(a.Space, b.Space); c != 0 {
		return c
	}
	if c := compareSide(a.Left, b.Left); c != 0 {
		return c
	}
	return compareSide(a.Right, b.Right)
}

func compareSide(a, b Side) int {
	if a.Kind != b.Kind {
		return int(a.Kind) - int(b.Kind)
	}
	return strings.Compare(a.Text, b.Text)
}

// Patterns goes through the patterns of the set.
func (s Set) Patterns() iter.Seq[Pattern] {
	return func(yield func(Pattern) bool) {
		for _, p := range s.parts {
			if !yield(p.of(s.text)) {
				return
			}
		}
	}
}

// Len returns the number of patterns.
func (s Set) Len() int { return len(s.parts) }

// List returns the text of each pattern.
func (s Set) List() []string {
	list := make([]string, 0, s.Len())
	for p := range s.Patterns() {
		list = append(list, p.String())
	}
	return list
}

// Empty reports whether the set matches nothing.
func (s Set) Empty() bool { return len(s.parts) == 0 }

// Match reports whether any pattern of the set matches.
func (s Set) Match(c Channel) bool {
	for _, p := range s.parts {
		if p.of(s.text).Match(c) {
			return true
		}
	}
	return false
}

// Union returns the set of what either matches.
func (s Set) Union(t Set) Set {
	switch {
	case s.Empty():
		return t
	case t.Empty():
		return s
	}
	ps := make([]Pattern, 0, s.Len()+t.Len())
	return newSet(slices.AppendSeq(slices.AppendSeq(ps, s.Patterns()), t.Patterns()))
}

// Intersect returns the set of what both match.
func (s Set) Intersect(t Set) Set {
	var out []Pattern
	for p := range s.Patterns() {
		for q := range t.Patterns() {
			if r, ok := p.Intersect(q); ok {
				out = append(out, r)
			}
		}
	}
	return newSet(out)
}

// NotGranted is the error of Narrow for a pattern that has nothing in common with the set.
type NotGranted struct{ Pattern Pattern }

func (e *NotGranted) Error() string {
	return fmt.Sprintf("the pattern %q matches nothing that this credential may subscribe to", e.Pattern)
}

// maxNarrowed is the largest number of patterns that Narrow makes. A request of 100 patterns and a grant of 1,000 could
// otherwise make a view of 100,000.
const maxNarrowed = 4096

// ErrTooManyMeet is the error of Narrow if the result has too many patterns.
var ErrTooManyMeet = fmt.Errorf("channels and grant have more than %d patterns in common; ask for fewer or wider ones", maxNarrowed)

// Narrow returns the part of the asked patterns that the set allows. Its error is a *NotGranted for a pattern of which the
// set allows nothing, or ErrTooManyMeet.
func (s Set) Narrow(asked []Pattern) (Set, error) {
	var out []Pattern
	for _, p := range asked {
		before := len(out)
		if s.has(p) { // what the other patterns allow of it is a part of it
			out = append(out, p)
		} else {
			for q := range s.Patterns() {
				if r, ok := p.Intersect(q); ok {
					out = append(out, r)
				}
			}
		}
		if len(out) == before {
			return Set{}, &NotGranted{p}
		}
		if len(out) > maxNarrowed {
			return Set{}, ErrTooManyMeet
		}
	}
	return newSet(out), nil
}

// has reports whether a pattern is one of the set's. A grant is mostly a list of what clients ask for, so with a thousand
// patterns on both sides Narrow would otherwise compare a million pairs.
func (s Set) has(p Pattern) bool {
	_, found := slices.BinarySearchFunc(s.parts, p, func(one part, p Pattern) int { return compare(one.of(s.text), p) })
	return found
}

// Spaces returns the spaces of the set's patterns, sorted, each once.
func (s Set) Spaces() []string {
	var out []string
	for p := range s.Patterns() {
		if len(out) == 0 || out[len(out)-1] != p.Space {
			out = append(out, p.Space)
		}
	}
	return out
}

// String returns the patterns, separated by commas. Equal sets have equal strings, so it can be a key.
func (s Set) String() string { return s.text }

// Size returns about how many bytes of memory the set takes.
func (s Set) Size() int64 {
	return int64(len(s.text)) + int64(len(s.parts))*int64(unsafe.Sizeof(part{}))
}
