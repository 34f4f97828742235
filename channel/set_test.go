package channel

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// parseSet is the set of the patterns with these spellings.
func parseSet(list []string) (Set, error) {
	var patterns []Pattern
	for _, text := range list {
		p, err := Parse(text)
		if err != nil {
			return Set{}, err
		}
		patterns = append(patterns, p)
	}
	return NewSet(patterns...), nil
}

func numbered(format string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return list
}

func TestSetIsMinimal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		list []string
		want string
	}{
		{nil, ""},
		{[]string{"a", "a"}, "a"},
		{[]string{"b", "a"}, "a,b"},
		{[]string{"patch:c", "put:c", "PUT:c"}, "PUT:c"},
		{[]string{"put:c", "*", "goal"}, "*"},
		{[]string{"*", "$db/x:a", "$db/x"}, "*,$db/x"},
		{[]string{"goal:c", "goal"}, "goal"},
		{[]string{"*:*", "goal"}, "*:*,goal"},
		{[]string{"P*:c", "put:c", "Pong:c"}, "P*:c,PUT:c"},
		{append(numbered("chat-%d", 999), "chat-*"), "chat-*"},
		{append(numbered("put:c%d", 999), "put:c*"), "PUT:c*"},
		{append(numbered("x%d:c", 999), "*:c"), "*:c"},
	}
	for _, tt := range tests {
		set, err := parseSet(tt.list)
		if err != nil || set.String() != tt.want || set.Empty() != (tt.want == "") {
			t.Errorf("%.3q…: %q, %v; want %q", tt.list, set, err, tt.want)
		}
		slices.Reverse(tt.list)
		if again, _ := parseSet(tt.list); again.String() != set.String() {
			t.Errorf("the other way round %q is %q", set, again)
		}
	}
}

// TestManyLengths: prefixes of a hundred lengths would need too many look-ups. The result is the same.
func TestManyLengths(t *testing.T) {
	t.Parallel()
	var list []string
	for i := range 100 {
		list = append(list, strings.Repeat("x", i+1)+"*:"+strings.Repeat("y", 100-i)+"*")
	}
	set, err := parseSet(list)
	if err != nil || set.Len() != 100 {
		t.Fatalf("%d of 100 are left: %v", set.Len(), err)
	}
	set, err = parseSet(append(list, "x*:y*"))
	if err != nil || set.String() != "x*:y*" {
		t.Fatalf("%d are left beside x*:y*: %v", set.Len(), err)
	}
}

// TestBadPattern: the fault names the pattern, but not all of a long one.
func TestBadPattern(t *testing.T) {
	t.Parallel()
	if _, err := Parse("put"); err == nil || !strings.Contains(err.Error(), `"put"`) {
		t.Errorf("the fault does not name its pattern: %v", err)
	}
	if _, err := Parse(strings.Repeat("x", 1<<20)); err == nil || len(err.Error()) > 1000 {
		t.Errorf("a pattern of a megabyte comes back in the message: %d bytes", len(err.Error()))
	}
}

// TestNarrowLimit: the limit, and one more.
func TestNarrowLimit(t *testing.T) {
	t.Parallel()
	grant, err := parseSet(numbered("*:c%d", 64))
	if err != nil {
		t.Fatal(err)
	}
	for extra, taken := range map[string]bool{"": true, "more:c1": false} {
		list := numbered("n%d", maxNarrowed/64)
		if extra != "" {
			list = append(list, extra)
		}
		asked := make([]Pattern, len(list))
		for i, s := range list {
			if asked[i], err = Parse(s); err != nil {
				t.Fatal(err)
			}
		}
		if set, err := grant.Narrow(asked); taken && (err != nil || set.Len() != maxNarrowed) || !taken && !errors.Is(err, ErrTooManyMeet) {
			t.Errorf("%d asked: %d patterns, %v", len(asked), set.Len(), err)
		}
	}
	if set, err := grant.Narrow(nil); err != nil || !set.Empty() {
		t.Errorf("nothing asked: %s, %v", set, err)
	}
}

// TestSetsAreShared: no method changes the set.
func TestSetsAreShared(t *testing.T) {
	t.Parallel()
	list := []Pattern{{Left: Side{Exact, "b"}}, {Left: Side{Exact, "a"}}}
	a := NewSet(list...)
	if list[0].Left.Text != "b" {
		t.Error("NewSet sorted its caller's patterns")
	}
	a.Union(Everything())
	a.Union(NewSet(Pattern{Left: Side{Exact, "A"}}))
	a.Intersect(NewSet(list[0]))
	if a.String() != "a,b" || Everything().String() != "*" {
		t.Errorf("%s, %s", a, Everything())
	}
	var none Set
	if none.Union(a).String() != "a,b" || a.Union(none).String() != "a,b" || !none.Intersect(a).Empty() || none.Match(Of("", "a", "")) {
		t.Error("the empty set is not nothing")
	}
}

func TestSpaces(t *testing.T) {
	t.Parallel()
	set, err := parseSet([]string{"$room/r", "b", "$db/x:t", "a", "$db/x:s"})
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Spaces(); !slices.Equal(got, []string{"", "$db/x", "$room/r"}) {
		t.Errorf("%q", got)
	}
}

// BenchmarkNewSet is a token's grant, small and at the limit, in the forms that grants have.
func BenchmarkNewSet(b *testing.B) {
	for _, n := range []int{3, 16, 32, MaxGrant} {
		for _, format := range []string{"put:c%d", "name%d", "*:c%d", "chat-%d-*"} {
			b.Run(fmt.Sprintf("%s/%d", format, n), func(b *testing.B) {
				var patterns []Pattern
				for _, s := range numbered(format, n) {
					p, err := Parse(s)
					if err != nil {
						b.Fatal(err)
					}
					patterns = append(patterns, p)
				}
				b.ReportAllocs()
				for b.Loop() {
					NewSet(patterns...)
				}
			})
		}
	}
}
