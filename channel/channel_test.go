package channel

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPatterns checks the rules for patterns in docs/protocol.md, one by one.
func TestPatterns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern   string
		matches   []string // event and collection
		doesNot   []string
		isInvalid bool
	}{
		{pattern: "*", matches: []string{"put c", "goal", "goal c"}},
		{pattern: "boing", matches: []string{"boing", "boing c"}, doesNot: []string{"Boing", "boings", "put c"}},
		{pattern: "chat-*", matches: []string{"chat-1", "chat-", "chat-1 c"}, doesNot: []string{"chat", "put c"}},
		{pattern: "PU*", matches: []string{"PUx"}, doesNot: []string{"put c"}},
		{pattern: "PuT:c", matches: []string{"put c", "PATCH c"}, doesNot: []string{"post c", "put d", "put C"}},
		{pattern: "patch:c", matches: []string{"put c"}},
		{pattern: "*:c", matches: []string{"put c", "goal c"}, doesNot: []string{"goal", "put d"}},
		{pattern: "P*:c", matches: []string{"Pong c"}, doesNot: []string{"put c", "post c"}},
		{pattern: "*:*", matches: []string{"put c", "goal c"}, doesNot: []string{"goal"}},
		{pattern: "POST:*", matches: []string{"post c"}, doesNot: []string{"put c"}},
		{pattern: "goal:c*", matches: []string{"goal c", "goal cd"}, doesNot: []string{"goal", "goal d"}},
		{pattern: "put", isInvalid: true}, {pattern: "Delete", isInvalid: true}, {pattern: "patch", isInvalid: true},
		{pattern: "", isInvalid: true}, {pattern: ":", isInvalid: true}, {pattern: "put:", isInvalid: true}, {pattern: ":c", isInvalid: true},
		{pattern: "a:b:c", isInvalid: true}, {pattern: "a*b", isInvalid: true}, {pattern: "**", isInvalid: true}, {pattern: "*a", isInvalid: true},
		{pattern: " a", isInvalid: true}, {pattern: " *", isInvalid: true}, {pattern: "a\t*", isInvalid: true}, {pattern: "put: c", isInvalid: true},
		{pattern: "put:a *", matches: []string{"put a b"}, doesNot: []string{"put a"}}, {pattern: "a\u00a0*", matches: []string{"a\u00a0b"}},
		{pattern: "poſt", matches: []string{"poſt"}, doesNot: []string{"post c"}}, {pattern: "goal", matches: []string{"goal c"}, doesNot: []string{"GOAL"}}, {pattern: "a,b", isInvalid: true}, {pattern: "a\n", isInvalid: true}, {pattern: "a\xff", isInvalid: true},
		{pattern: strings.Repeat("x", 129), isInvalid: true}, {pattern: strings.Repeat("x", 128) + "*"}, {pattern: strings.Repeat("x", 129) + "*", isInvalid: true}, {pattern: strings.Repeat("x", 127) + " *"}, {pattern: strings.Repeat("x", 128) + " *", isInvalid: true},
		{pattern: "$db/x", doesNot: []string{"goal", "put c"}}, {pattern: "$db/x:deposit"}, {pattern: "$room/abc"},
		{pattern: "$db/*", isInvalid: true}, {pattern: "$db/", isInvalid: true}, {pattern: "$x", isInvalid: true}, {pattern: "$*", isInvalid: true}, {pattern: "$room/a:b", isInvalid: true},
		{pattern: "$db/x:put", isInvalid: true}, {pattern: "$db/x:", isInvalid: true}, {pattern: "$db/x:a:b", isInvalid: true}, {pattern: "a:$b"},
	}
	for _, tt := range tests {
		p, err := Parse(tt.pattern)
		if (err != nil) != tt.isInvalid {
			t.Errorf("%q: %v", tt.pattern, err)
			continue
		}
		for _, s := range tt.matches {
			if name, collection, _ := strings.Cut(s, " "); !p.Match(Of("", name, collection)) {
				t.Errorf("%q does not match %q", tt.pattern, s)
			}
		}
		for _, s := range tt.doesNot {
			if name, collection, _ := strings.Cut(s, " "); p.Match(Of("", name, collection)) {
				t.Errorf("%q matches %q", tt.pattern, s)
			}
		}
	}
}

// naive is a matcher on a pattern's text, written only from the rules in docs/protocol.md.
func naive(pattern string, c Channel) bool {
	if space, rest, colon := strings.Cut(pattern, ":"); strings.HasPrefix(pattern, "$") {
		return c.Space == space && (!colon || rest == "*" || naive(rest, Channel{Left: c.Left, Collection: c.Collection}))
	}
	if c.Space != "" {
		return false
	}
	if pattern == "*" {
		return true
	}
	glob := func(p, s string) bool {
		if prefix, ok := strings.CutSuffix(p, "*"); ok {
			return strings.HasPrefix(s, prefix)
		}
		return p == s
	}
	method := c.Left == "POST" || c.Left == "PUT" || c.Left == "DELETE"
	left, right, colon := strings.Cut(pattern, ":")
	if !colon {
		return !method && glob(left, c.Left)
	}
	if c.Collection == "" || !glob(right, c.Collection) {
		return false
	}
	switch strings.ToUpper(left) {
	case "POST", "DELETE":
		return c.Left == strings.ToUpper(left)
	case "PUT", "PATCH":
		return c.Left == "PUT"
	case "*":
		return true
	}
	return !method && glob(left, c.Left)
}

// The names of the model. There are few, so that many patterns have something in common.
var (
	texts    = []string{"a", "ab", "b", "P", "PU", "PUTS", "x"}
	universe []Channel
)

func init() {
	for _, space := range []string{"", "$db/x", "$db/y"} {
		for _, left := range append([]string{"POST", "PUT", "DELETE", "~"}, texts...) {
			for _, right := range append([]string{"", "~"}, texts...) {
				universe = append(universe, Channel{Space: space, Left: left, Collection: right})
			}
		}
	}
	// For each name, a longer one that begins with it and occurs nowhere else. So the matches show which pattern covers
	// which.
	for _, text := range texts {
		for _, other := range append([]string{"", "~"}, texts...) {
			universe = append(universe, Channel{Left: text + "~", Collection: other})
		}
		universe = append(universe, Channel{Space: "$db/x", Left: text + "~"}, Channel{Space: "$db/y", Left: text + "~"})
		for _, left := range append([]string{"POST", "PUT", "DELETE", "~"}, texts...) {
			universe = append(universe, Channel{Left: left, Collection: text + "~"})
		}
		for _, other := range texts {
			universe = append(universe, Channel{Left: text + "~", Collection: other + "~"})
		}
	}
}

func drawPattern(t *rapid.T) string {
	side := rapid.Custom(func(t *rapid.T) string {
		s := rapid.SampledFrom(append([]string{""}, texts...)).Draw(t, "text")
		if s == "" || rapid.Bool().Draw(t, "star") {
			s += "*"
		}
		return s
	})
	switch rapid.IntRange(0, 5).Draw(t, "form") {
	case 0:
		return rapid.SampledFrom([]string{"$db/x", "$db/y"}).Draw(t, "space")
	case 1:
		return rapid.SampledFrom([]string{"$db/x:", "$db/y:"}).Draw(t, "space") + side.Draw(t, "type")
	case 2, 3:
		return side.Draw(t, "name")
	}
	left := rapid.OneOf(side, rapid.SampledFrom([]string{"put", "PATCH", "Post", "delete"})).Draw(t, "left")
	return left + ":" + side.Draw(t, "right")
}

// TestAlgebra: match, intersection, union and narrowing agree with the naive matcher.
func TestAlgebra(t *testing.T) {
	t.Parallel()
	// Few and many patterns, because there are two ways to find the minimal ones.
	list := rapid.OneOf(rapid.SliceOfN(rapid.Custom(drawPattern), 0, 6), rapid.SliceOfN(rapid.Custom(drawPattern), 20, 40))
	any := func(list []string, c Channel) bool {
		for _, p := range list {
			if naive(p, c) {
				return true
			}
		}
		return false
	}
	rapid.Check(t, func(t *rapid.T) {
		x, y := list.Draw(t, "x"), list.Draw(t, "y")
		a, err := parseSet(x)
		if err != nil {
			t.Fatal(err)
		}
		b, err := parseSet(y)
		if err != nil {
			t.Fatal(err)
		}
		union, both := a.Union(b), a.Intersect(b)
		narrowed, nerr := a.Narrow(slices.Collect(b.Patterns()))
		for _, c := range universe {
			inA, inB := any(x, c), any(y, c)
			if a.Match(c) != inA {
				t.Fatalf("%s on %s: %v", a, c, !inA)
			}
			if union.Match(c) != (inA || inB) {
				t.Fatalf("%s ∪ %s = %s on %s", a, b, union, c)
			}
			if both.Match(c) != (inA && inB) {
				t.Fatalf("%s ∩ %s = %s on %s", a, b, both, c)
			}
			if nerr == nil && narrowed.Match(c) != (inA && inB) {
				t.Fatalf("%s narrowed to %s = %s on %s", a, b, narrowed, c)
			}
		}
		for _, s := range []Set{a, union, both} {
			if s.Empty() {
				continue
			}
			again, err := parseSet(strings.Split(s.String(), ","))
			if err != nil || again.String() != s.String() {
				t.Fatalf("%s comes back as %s, %v", s, again, err)
			}
			ps := slices.Collect(s.Patterns())
			for i, p := range ps {
				if parsed, err := Parse(p.String()); err != nil || parsed != p {
					t.Fatalf("%s has %+v, which is read as %+v, %v", s, p, parsed, err)
				}
				for _, q := range ps[i+1:] {
					if p.Covers(q) || q.Covers(p) {
						t.Fatalf("%s is not minimal: %s and %s", s, p, q)
					}
				}
			}
		}
	})
}

// TestPair: Covers and Intersect of two patterns agree with what they match.
func TestPair(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, y := drawPattern(t), drawPattern(t)
		p, err := Parse(x)
		if err != nil {
			t.Fatal(err)
		}
		q, err := Parse(y)
		if err != nil {
			t.Fatal(err)
		}
		covers, meet := true, false
		both, ok := p.Intersect(q)
		for _, c := range universe {
			inX, inY := naive(x, c), naive(y, c)
			covers = covers && (inX || !inY)
			meet = meet || inX && inY
			if ok && both.Match(c) != (inX && inY) {
				t.Fatalf("%s ∩ %s = %s on %s", x, y, both, c)
			}
		}
		if p.Covers(q) != covers {
			t.Fatalf("%s covers %s: %v", x, y, !covers)
		}
		if ok != meet {
			t.Fatalf("%s meets %s: %v", x, y, !meet)
		}
	})
}

func TestNarrowRefuses(t *testing.T) {
	t.Parallel()
	grant, err := parseSet([]string{"PUT:customer", "chat-*", "$db/x"})
	if err != nil {
		t.Fatal(err)
	}
	for asked, refused := range map[string]string{
		"chat-1": "", "*": "", "put:*": "", "$db/x:t": "", "post:customer": "POST:customer", "chat": "chat", "$db/y": "$db/y",
	} {
		p, err := Parse(asked)
		if err != nil {
			t.Fatal(err)
		}
		set, err := grant.Narrow([]Pattern{p})
		if refused == "" && (err != nil || set.Empty()) || refused != "" && (err == nil || !strings.Contains(err.Error(), refused)) {
			t.Errorf("%s: %s %v", asked, set, err)
		}
	}
	// No request makes a view of all products.
	var wide, many []Pattern
	for i := range 100 {
		wide = append(wide, Pattern{Left: Side{Exact, strings.Repeat("x", i+1)}})
		many = append(many, Pattern{Right: Side{Exact, strings.Repeat("y", i+1)}})
	}
	if _, err := NewSet(many...).Narrow(wide); err != ErrTooManyMeet {
		t.Errorf("10,000 products: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"*", "put:a", "chat-*", "*:*", "$db/x:y", "$room/x", "a b*", "a *", "PATCH:*", "\x00", "a\u0085"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(p.String())
		if err != nil || again != p {
			t.Errorf("%q is printed as %q, which is %+v, %v", s, p, again, err)
		}
		for _, side := range []Side{p.Left, p.Right} {
			if len(side.Text) > MaxName || strings.ContainsAny(side.Text, ":*,\n\r\x00") {
				t.Errorf("%q was taken: %+v", s, p)
			}
		}
		if !p.Covers(p) {
			t.Errorf("%q does not cover itself", s)
		}
	})
}
