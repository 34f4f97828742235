package query

import (
	"bytes"
	"cmp"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

// TestOrderOfValues lists values from least to greatest. The values of one line are equal.
func TestOrderOfValues(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxKeyText)
	lines := [][]string{
		{"null", ""},
		{"-1e999"}, {"-9007199254740993"}, {"-9007199254740992"}, {"-1.5"}, {"-1"}, {"-5e-324"}, {"0", "-0", "0.0"}, {"5e-324"}, {"1", "1.0", "1e0"}, {"2"}, {"10"},
		{"9007199254740992", "9007199254740992.0", "9.007199254740992e15"}, {"9007199254740993", "90071992547409930e-1"}, {"9007199254740994"}, {"1e999"}, {"1e1000"},
		{`""`}, {`"\u0000"`}, {`"\u0000a"`}, {`"\u0001"`}, {`"A"`, `"\u0041"`}, {`"a"`}, {`"a\u0000"`}, {`"a\u0000b"`}, {`"ab"`}, {`"b"`},
		{`"` + long + `"`}, {`"` + long + `y"`}, {`"é"`}, {`"漢"`},
		{`{"a":1}`}, {`{"a":2}`}, {`{}`},
		{`[1]`}, {`[2]`}, {`[]`}, {"false"}, {"true"},
	}
	for i, line := range lines {
		for j, other := range lines {
			for _, a := range line {
				for _, b := range other {
					x, y, want := gjson.Parse(a), gjson.Parse(b), cmp.Compare(i, j)
					if got := Compare(x, y); got != want {
						t.Errorf("Compare(%s, %s) = %d, not %d", a, b, got, want)
					}
					if got := bytes.Compare(AppendKey(nil, x), AppendKey(nil, y)); got != want && !(got == 0 && inexact(x)) {
						t.Errorf("the keys of %s and %s compare as %d, not %d", a, b, got, want)
					}
					if got := bytes.Compare(appendKey(nil, x, maxOrderText), appendKey(nil, y, maxOrderText)); got != want {
						t.Errorf("the exact keys of %s and %s compare as %d, not %d", a, b, got, want)
					}
					if inexact(x) != Cut(AppendKey(nil, x)) && len(x.Str) <= maxKeyText {
						t.Errorf("whether the key of %s is that of others too: %v", a, !inexact(x))
					}
				}
			}
		}
	}
}

// anyText draws strings with characters that keys and JSON escape.
func anyText() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.RuneFrom([]rune{0, 1, 0xFF, 'a', 'b', '"', '\\', '.', '*', '漢'}), 0, 5, -1)
}

// anyValue draws JSON.
func anyValue(depth int) *rapid.Generator[string] {
	quoted := rapid.Map(anyText(), quote)
	scalars := []*rapid.Generator[string]{
		rapid.SampledFrom([]string{"null", "true", "false", "0", "-0", "5", "2e0", `"5"`, `"true"`, `""`, "[]", "{}"}),
		rapid.SampledFrom([]string{
			`"2026-11-29T20:00:00+09:00"`, `"2026-11-29T11:00:00Z"`, `"2026-11-29T11:00:00.5Z"`, `"2026-11-29"`, `"2026-11-28T23:00:00-01:00"`, `"2026-11-29x"`, "1795950000000", `"1795950000500"`,
		}),
		rapid.SampledFrom([]string{"9007199254740992", "9007199254740993", "9007199254740994", `"9007199254740993"`, "-9007199254740993"}),
		rapid.Map(rapid.Int64Range(-3, 3), func(i int64) string { return strconv.FormatInt(i, 10) }),
		rapid.Map(rapid.Int64(), func(i int64) string { return strconv.FormatInt(i, 10) }),
		rapid.Map(rapid.Float64(), func(f float64) string {
			if math.IsInf(f, 0) || f != f {
				return "0"
			}
			return strconv.FormatFloat(f, 'g', -1, 64)
		}),
		quoted,
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	array := rapid.Map(rapid.SliceOfN(anyValue(depth-1), 0, 3), func(all []string) string { return "[" + strings.Join(all, ",") + "]" })
	return rapid.OneOf(append(scalars, array, anyObject(depth-1))...)
}

// fieldNames are few, so that conditions often meet them. Some are gjson's own syntax.
var fieldNames = []string{"a", "b", "#", "*", "@this", "a|b", "0", `\`, "!x", "漢 \x00"}

func anyObject(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		names := rapid.SliceOfNDistinct(rapid.SampledFrom(fieldNames), 0, 4, rapid.ID[string]).Draw(t, "names")
		for i, name := range names {
			names[i] = quote(name) + ":" + anyValue(depth).Draw(t, "value")
		}
		return "{" + strings.Join(names, ",") + "}"
	})
}

func quote(s string) string { return string(gjson.AppendJSONString(nil, s)) }

// TestKeysSortAsValues: keys and Compare agree, also with more after the key, and no key is a prefix of another.
func TestKeysSortAsValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := gjson.Parse(anyValue(2).Draw(t, "a"))
		b := gjson.Parse(anyValue(2).Draw(t, "b"))
		x, y, want := AppendKey(nil, a), AppendKey(nil, b), Compare(a, b)
		if got := bytes.Compare(x, y); got != want && !(got == 0 && inexact(a)) {
			t.Fatalf("keys of %s and %s compare as %d, values as %d", a.Raw, b.Raw, got, want)
		}
		if !bytes.Equal(x, y) && bytes.Compare(append(x, 0xFF), append(y, 0)) != want {
			t.Fatalf("keys of %s and %s do not end themselves", a.Raw, b.Raw)
		}
		if bytes.Compare(following(x), append(x, 0xFF, 0xFF)) <= 0 {
			t.Fatalf("what follows %x is %x", x, following(x))
		}
	})
}

// TestCutKeys: keys of long texts are bounded and never sort in the wrong order.
func TestCutKeys(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) gjson.Result {
			n := rapid.IntRange(maxKeyText-2, maxKeyText+2).Draw(t, name)
			return String(strings.Repeat("x", n) + anyText().Draw(t, name))
		}
		a, b := draw("a"), draw("b")
		x, y := AppendKey(nil, a), AppendKey(nil, b)
		if bytes.Compare(x, y)*Compare(a, b) < 0 {
			t.Fatalf("keys of %s and %s are in the wrong order", a.Raw, b.Raw)
		}
		if len(x) > 600 {
			t.Fatalf("a key has %d bytes", len(x))
		}
	})
}
