package channel

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"
)

// Set is a union of patterns, minimal and sorted. The zero value matches nothing. A Set is
// never changed after it was made, so it may be shared.
type Set struct {
	patterns []Pattern
	text     string // its spelling, of which all texts of the patterns are parts; "" where nobody asked for it
}

// Of one grant and one request the contract allows so many patterns.
const (
	MaxGrant   = 1000
	MaxRequest = 100
)

// NewSet is the union of the patterns.
func NewSet(patterns ...Pattern) Set {
	ps := slices.Clone(patterns)
	slices.SortFunc(ps, compare)
	ps = slices.Compact(ps)
	if len(ps) < 2 {
		return Set{patterns: ps}
	}
	return Set{patterns: minimal(ps)}
}

// Everything is the set of one *: all channels of /realtime.
func Everything() Set { return Set{patterns: []Pattern{{}}} }

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

// Patterns are those of the set; the caller must not change them.
func (s Set) Patterns() []Pattern { return s.patterns }

// List spells the patterns, each on its own.
func (s Set) List() []string {
	list := make([]string, len(s.patterns))
	for i, p := range s.patterns {
		list[i] = p.String()
	}
	return list
}

// Empty says whether the set matches nothing.
func (s Set) Empty() bool { return len(s.patterns) == 0 }

// Match says whether any pattern of the set matches.
func (s Set) Match(c Channel) bool {
	for i := range s.patterns {
		if s.patterns[i].Match(c) {
			return true
		}
	}
	return false
}

// Union is what either matches.
func (s Set) Union(t Set) Set {
	switch {
	case s.Empty():
		return t
	case t.Empty():
		return s
	}
	return NewSet(append(slices.Clone(s.patterns), t.patterns...)...)
}

// Intersect is what both match.
func (s Set) Intersect(t Set) Set {
	var out []Pattern
	for _, p := range s.patterns {
		for _, q := range t.patterns {
			if r, ok := p.Intersect(q); ok {
				out = append(out, r)
			}
		}
	}
	return NewSet(out...)
}

// NotGranted is the error of Narrow for a pattern that meets no part of the set.
type NotGranted struct{ Pattern Pattern }

func (e *NotGranted) Error() string {
	return fmt.Sprintf("the pattern %q meets nothing that this credential may subscribe to", e.Pattern)
}

// maxNarrowed bounds the product of a request's patterns and a grant's, so that one request of
// 100 patterns against a grant of 1,000 cannot make a view of 100,000.
const maxNarrowed = 4096

// ErrTooManyMeet is the error of Narrow where request and grant meet in too many patterns.
var ErrTooManyMeet = fmt.Errorf("channels and grant meet in more than %d patterns; ask for fewer or wider ones", maxNarrowed)

// Narrow is what the set allows of the patterns asked for: *NotGranted for one that meets no
// part of it, else ErrTooManyMeet or nil.
func (s Set) Narrow(asked []Pattern) (Set, error) {
	var out []Pattern
	for _, p := range asked {
		met := false
		for _, q := range s.patterns {
			if r, ok := p.Intersect(q); ok {
				out, met = append(out, r), true
			}
		}
		if !met {
			return Set{}, &NotGranted{p}
		}
		if len(out) > maxNarrowed {
			return Set{}, ErrTooManyMeet
		}
	}
	return NewSet(out...), nil
}

// Spaces are the spaces that the set speaks of, sorted, each once.
func (s Set) Spaces() []string {
	var out []string
	for _, p := range s.patterns {
		if len(out) == 0 || out[len(out)-1] != p.Space {
			out = append(out, p.Space)
		}
	}
	return out
}

// String spells the set, comma-separated. Equal sets have equal strings, so it serves as a key.
func (s Set) String() string {
	if s.text != "" {
		return s.text
	}
	parts := make([]string, len(s.patterns))
	for i, p := range s.patterns {
		parts[i] = p.String()
	}
	return strings.Join(parts, ",")
}

// Own returns the set with all its texts in one, its spelling. So it does not hold on to what it was read from, and a key
// made of its spelling takes no more.
func (s Set) Own() Set {
	own := Set{patterns: slices.Clone(s.patterns), text: s.String()}
	rest := own.text
	part := func(text *string) { // they stand in the spelling in their order
		at := strings.Index(rest, *text)
		*text, rest = rest[at:at+len(*text)], rest[at+len(*text):]
	}
	for i := range own.patterns {
		p := &own.patterns[i]
		part(&p.Space)
		part(&p.Left.Text)
		part(&p.Right.Text)
	}
	return own
}

// Size returns about what the set takes in memory.
func (s Set) Size() int64 {
	n := int64(len(s.patterns)) * int64(unsafe.Sizeof(Pattern{}))
	if s.text != "" {
		return n + int64(len(s.text))
	}
	for _, p := range s.patterns {
		n += int64(len(p.Space) + len(p.Left.Text) + len(p.Right.Text))
	}
	return n
}
