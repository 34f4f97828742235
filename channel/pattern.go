package channel

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Kind is the way in which one side of a pattern matches.
type Kind uint8

const (
	// Open matches everything: on the left every event, on the right every collection and events without one.
	Open Kind = iota
	// Some matches every collection, but not an event without one. Only a right side can have it.
	Some
	// Prefix matches names that begin with the text. On the left it never matches a method.
	Prefix
	// Exact matches only the text.
	Exact
)

// Side is one side of a pattern.
type Side struct {
	Kind Kind
	Text string
}

// Pattern is a channel with wildcards, of one space ("" is /realtime).
type Pattern struct {
	Space       string
	Left, Right Side
}

// Prefixes of the spaces that a pattern can name. The name of the database or the id of the room follows.
const (
	DBSpace   = "$db/"
	RoomSpace = "$room/"
)

// Parse reads a pattern in the syntax of docs/protocol.md.
func Parse(s string) (Pattern, error) {
	if strings.HasPrefix(s, "$") {
		return parseSpaced(s)
	}
	return parse(s)
}

func parse(s string) (Pattern, error) {
	if s == "*" {
		return Pattern{}, nil
	}
	left, right, colon := strings.Cut(s, ":")
	l, err := side(left)
	if err != nil {
		return Pattern{}, patternError(s, "the left side "+err.Error())
	}
	method, isMethod := Method(left)
	if !colon {
		if isMethod {
			return Pattern{}, patternError(s, "a method needs a collection, as in "+method+":*")
		}
		return Pattern{Left: l}, nil
	}
	if isMethod {
		l.Text = method
	}
	r, err := side(right)
	if err != nil {
		return Pattern{}, patternError(s, "the collection "+err.Error())
	}
	if r.Kind == Open {
		r.Kind = Some
	}
	return Pattern{Left: l, Right: r}, nil
}

// parseSpaced reads $db/NAME, $db/NAME:PATTERN and $room/ID. The name has no wildcard, so that no pattern matches several
// spaces.
func parseSpaced(s string) (Pattern, error) {
	space, rest, colon := strings.Cut(s, ":")
	name, isDB := strings.CutPrefix(space, DBSpace)
	if !isDB {
		var isRoom bool
		if name, isRoom = strings.CutPrefix(space, RoomSpace); !isRoom {
			return Pattern{}, patternError(s, "a space is $db/NAME or $room/ID")
		}
		if colon {
			return Pattern{}, patternError(s, "a room has no channels")
		}
	}
	if err := CheckName(name); err != nil {
		return Pattern{}, patternError(s, "the name of the space "+err.Error())
	}
	if !colon {
		return Pattern{Space: space}, nil
	}
	// As in /realtime, a bare method would match nothing, because the channel of a method event is METHOD:collection.
	if _, isMethod := Method(rest); isMethod {
		return Pattern{}, patternError(s, "a bare method matches nothing; the whole space is "+space)
	}
	l, err := side(rest)
	if err != nil {
		return Pattern{}, patternError(s, "the type "+err.Error())
	}
	return Pattern{Space: space, Left: l}, nil
}

func patternError(s, why string) error {
	if len(s) > 2*MaxName {
		s = s[:2*MaxName] + "…"
	}
	return fmt.Errorf("pattern %q: %s", s, why)
}

func side(s string) (Side, error) {
	switch {
	case s == "":
		return Side{}, errors.New("is empty")
	case s == "*":
		return Side{Kind: Open}, nil
	}
	kind, text := Exact, s
	if p, ok := strings.CutSuffix(s, "*"); ok {
		kind, text = Prefix, p
		// A prefix may end in white space, because a name may contain some: "a *" matches "a b". A whole name may not.
		s = strings.TrimRightFunc(p, unicode.IsSpace)
		if s == "" {
			return Side{}, errors.New("begins or ends with white space")
		}
		if err := checkText(p); err != nil {
			return Side{}, err
		}
	}
	if err := CheckName(s); err != nil {
		return Side{}, err
	}
	if len(text) > MaxName {
		return Side{}, fmt.Errorf("is longer than %d bytes", MaxName)
	}
	return Side{Kind: kind, Text: text}, nil
}

// IsMethod reports whether the left side of a channel is a method.
func IsMethod(left string) bool { return left == "POST" || left == "PUT" || left == "DELETE" }

func (k Side) matchLeft(left string) bool {
	switch k.Kind {
	case Open:
		return true
	case Prefix:
		return strings.HasPrefix(left, k.Text) && !IsMethod(left)
	}
	return k.Text == left
}

func (k Side) matchRight(right string) bool {
	switch k.Kind {
	case Open:
		return true
	case Some:
		return right != ""
	case Prefix:
		return right != "" && strings.HasPrefix(right, k.Text)
	}
	return k.Text == right
}

// Match reports whether the pattern matches a channel.
func (p Pattern) Match(c Channel) bool {
	return p.Space == c.Space && p.Left.matchLeft(c.Left) && p.Right.matchRight(c.Collection)
}

// String returns the text that Parse reads. The intersection of two patterns has a text too, because each of its sides is
// a side of one of them.
func (p Pattern) String() string {
	var b strings.Builder
	b.Grow(p.textLength())
	p.write(&b)
	return b.String()
}

// textLength returns the length of what write writes.
func (p *Pattern) textLength() int {
	n := len(p.Space)
	if p.Space != "" {
		if p.Left.Kind == Open {
			return n
		}
		n++
	}
	n += p.Left.textLength()
	if p.Right.Kind != Open {
		n += 1 + p.Right.textLength()
	}
	return n
}

func (k Side) textLength() int {
	if k.Kind == Exact {
		return len(k.Text)
	}
	return len(k.Text) + 1
}

func (p *Pattern) write(b *strings.Builder) {
	if p.Space != "" {
		b.WriteString(p.Space)
		if p.Left.Kind == Open {
			return
		}
		b.WriteByte(':')
	}
	p.Left.write(b)
	if p.Right.Kind != Open {
		b.WriteByte(':')
		p.Right.write(b)
	}
}

func (k Side) write(b *strings.Builder) {
	b.WriteString(k.Text)
	if k.Kind != Exact {
		b.WriteByte('*')
	}
}

// covers reports whether k matches everything that b matches.
func (k Side) covers(b Side, left bool) bool {
	switch k.Kind {
	case Open:
		return true
	case Some:
		return b.Kind != Open
	case Prefix:
		if b.Kind != Prefix && b.Kind != Exact || left && b.Kind == Exact && IsMethod(b.Text) {
			return false
		}
		return strings.HasPrefix(b.Text, k.Text)
	}
	return b.Kind == Exact && b.Text == k.Text
}

// Covers reports whether p matches everything that q matches.
func (p Pattern) Covers(q Pattern) bool {
	return p.Space == q.Space && p.Left.covers(q.Left, true) && p.Right.covers(q.Right, false)
}

// Intersect returns the pattern for what both match, and whether there is any. Of two sides, either one covers the other
// or they have nothing in common, so the result has the narrower ones.
func (p Pattern) Intersect(q Pattern) (Pattern, bool) {
	if p.Space != q.Space {
		return Pattern{}, false
	}
	out := Pattern{Space: p.Space}
	var ok bool
	if out.Left, ok = narrower(p.Left, q.Left, true); !ok {
		return Pattern{}, false
	}
	out.Right, ok = narrower(p.Right, q.Right, false)
	return out, ok
}

func narrower(a, b Side, left bool) (Side, bool) {
	if a.covers(b, left) {
		return b, true
	}
	if b.covers(a, left) {
		return a, true
	}
	return Side{}, false
}
