package channel

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"
)

// Set is a union of patterns, minimal and sorted. The zero value matches nothing. Nothing changes a Set, so it may be
// shared.
type Set struct {
	patterns []Pattern
	text     string // the result of String, if Own made the set: then the texts of the patterns are parts of it
}

// The largest number of patterns (docs/protocol.md).
const (
	MaxGrant   = 1000 // of one grant
	MaxRequest = 100  // of one request
)

// NewSet returns the union of the patterns.
func NewSet(patterns ...Pattern) Set {
	ps := slices.Clone(patterns)
	slices.SortFunc(ps, compare)
	ps = slices.Compact(ps)
	if len(ps) < 2 {
		return Set{patterns: ps}
	}
	return Set{patterns: minimal(ps)}
}

// Everything returns the set of the pattern *: all channels of /realtime.
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

// Patterns returns the patterns of the set. The caller must not change them.
func (s Set) Patterns() []Pattern { return s.patterns }

// List returns the text of each pattern.
func (s Set) List() []string {
	list := make([]string, len(s.patterns))
	for i, p := range s.patterns {
		list[i] = p.String()
	}
	return list
}

// Empty reports whether the set matches nothing.
func (s Set) Empty() bool { return len(s.patterns) == 0 }

// Match reports whether any pattern of the set matches.
func (s Set) Match(c Channel) bool {
	for i := range s.patterns {
		if s.patterns[i].Match(c) {
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
	return NewSet(append(slices.Clone(s.patterns), t.patterns...)...)
}

// Intersect returns the set of what both match.
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

// Spaces returns the spaces of the set's patterns, sorted, each once.
func (s Set) Spaces() []string {
	var out []string
	for _, p := range s.patterns {
		if len(out) == 0 || out[len(out)-1] != p.Space {
			out = append(out, p.Space)
		}
	}
	return out
}

// String returns the patterns, separated by commas. Equal sets have equal strings, so it can be a key.
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

// Own returns a copy of the set in which all texts are parts of a single one, that of String. So the memory of the request
// that the patterns were read from can be freed, and a key of String takes no memory of its own.
func (s Set) Own() Set {
	own := Set{patterns: slices.Clone(s.patterns), text: s.String()}
	rest := own.text
	part := func(text *string) { // called for the texts in the order in which they are in String
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

// Size returns about how many bytes of memory the set takes.
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
