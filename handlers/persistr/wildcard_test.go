package persistr

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// like is what wildcards promise, as slow and plain as can be.
func like(pattern, text []rune) bool {
	switch {
	case len(pattern) == 0:
		return len(text) == 0
	case pattern[0] == '*':
		return like(pattern[1:], text) || len(text) > 0 && like(pattern, text[1:])
	case len(text) == 0:
		return false
	}
	return (pattern[0] == '?' || pattern[0] == text[0]) && like(pattern[1:], text[1:])
}

func TestWildcards(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		patterns, text string
		want           bool
	}{
		{"de*", "deposit", true}, {"de*", "de", true}, {"de*", "d", false}, {"*", "", true}, {"?", "", false},
		{"?", "ü", true}, {"??", "ü", false}, {"*?", "日本", true}, {"a?c", "aüc", true}, {"a?c", "a\u00fc\u00fcc", false},
		{`a[b\c/?`, `a[b\c/x`, true}, {"a*b*c", "a--b--c", true}, {"a*b*c", "a--c--b", false}, {"a*,*z", "xz", true}, {"a*,*z", "xy", false},
		{"**a**", "xax", true}, {"a,b*", "a", true}, {"a,b*", "ab", false},
	} {
		if got := newWildcards(strings.Split(tt.patterns, ",")).match(tt.text); got != tt.want {
			t.Errorf("%q, %q: %t", tt.patterns, tt.text, got)
		}
	}
	for before := range 130 { // wherever a pattern's states lie in their words
		w := newWildcards([]string{strings.Repeat("x", before), "ab?*cd"})
		if !w.match("abücd") || !w.match("abcdcd") || w.match("abcd") {
			t.Errorf("behind a pattern of %d bytes it matches otherwise", before)
		}
	}
}

// Whatever the patterns and the text are, the automaton says what the definition says.
func TestWildcardModel(t *testing.T) {
	t.Parallel()
	texts := func(alphabet string, most int) *rapid.Generator[string] {
		return rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 0, most, -1)
	}
	rapid.Check(t, func(rt *rapid.T) {
		patterns := rapid.SliceOfN(texts("ab?*ü日", 9), 1, 40).Draw(rt, "patterns")
		for len(strings.Join(patterns, "")) > wildcardBytes {
			patterns = patterns[1:]
		}
		text := texts("abü日", 12).Draw(rt, "text")
		if len(patterns) > 0 && rapid.Bool().Draw(rt, "near") { // else few of the texts match
			near := rapid.SampledFrom(patterns).Draw(rt, "one")
			near = strings.ReplaceAll(near, "*", rapid.SampledFrom([]string{"", "a", text}).Draw(rt, "star"))
			text = strings.ReplaceAll(near, "?", rapid.SampledFrom([]string{"a", "ü", "日"}).Draw(rt, "any"))
		}
		want := false
		for _, p := range patterns {
			want = want || like([]rune(p), []rune(text))
		}
		if got := newWildcards(patterns).match(text); got != want {
			rt.Fatalf("%q, %q: %t", patterns, text, got)
		}
	})
}

// hardest are the patterns that take the longest, as far as they are let in.
func hardest() []string {
	one := "*" + strings.Repeat("?", 123) + "ü" + "*b"
	return slices.Repeat([]string{one}, wildcardBytes/len(one))
}

// Four times the text takes about four times as long with the hardest patterns, and not sixteen times. Nor do these take
// longer than others of their length: path.Match, which goes back and tries again behind the last star, took 1.6 ms for each
// of a hundred. The benchmark has the figures.
func TestWildcardsAreLinear(t *testing.T) {
	t.Parallel()
	best := func(patterns []string, length int) time.Duration {
		w, text, best := newWildcards(patterns), strings.Repeat("ü", length), time.Hour
		for range 50 {
			begun := time.Now()
			w.match(text)
			best = min(best, time.Since(begun))
		}
		return best
	}
	if short, long := best(hardest(), 512), best(hardest(), 4*512); long > 10*short {
		t.Errorf("%s for a text, %s for one of four times its length", short, long)
	}
	hard, plain := "*"+strings.Repeat("?", 500)+"b", strings.Repeat("?", 500)+"b*"
	if hard, plain := best([]string{hard}, 2048), best([]string{plain}, 2048); hard > 10*plain+50*time.Microsecond {
		t.Errorf("%s for %d times ? behind a star, %s for as many before it", hard, 500, plain)
	}
}

// All bytes that UTF-8 has fit into the automaton.
func TestWildcardsOfAllBytes(t *testing.T) {
	t.Parallel()
	var patterns []string
	for b := range 0x80 {
		if b != '*' && b != '?' {
			patterns = append(patterns, string(rune(b)))
		}
	}
	for _, from := range []rune{0x80, 0x7c0, 0x800, 0xfff0, 0x10000, 0x10fff0} {
		for r := from; r < from+16 && len(strings.Join(patterns, "")) < wildcardBytes-4; r++ {
			patterns = append(patterns, string(r))
		}
	}
	w := newWildcards(patterns)
	for _, p := range patterns {
		if utf8.ValidString(p) && !w.match(p) {
			t.Errorf("%q", p)
		}
	}
	if w.match("\U0001f600") {
		t.Error("it matches what it was not asked for")
	}
}

// BenchmarkWildcards: what one event costs the hub for one feed, at its worst and for names as they are.
func BenchmarkWildcards(b *testing.B) {
	many := make([]string, 100)
	for i := range many {
		many[i] = "*??????b"
	}
	for name, tt := range map[string]struct {
		patterns []string
		text     string
	}{
		"hardest":      {hardest(), strings.Repeat("ü", 512)},
		"many":         {many, strings.Repeat("a", 1024)},
		"prefixes":     {[]string{"order-*", "payment-*"}, "order-placed"},
		"not a prefix": {[]string{"order-*", "payment-*"}, "shipment-delivered"},
	} {
		b.Run(name, func(b *testing.B) {
			w := newWildcards(tt.patterns)
			b.ReportAllocs()
			for b.Loop() {
				w.match(tt.text)
			}
		})
	}
}
