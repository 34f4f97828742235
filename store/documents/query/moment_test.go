package query

import (
	"bytes"
	"testing"
	"time"
)

// TestParseMoment: the formats of ISO 8601, and texts that have none of them.
func TestParseMoment(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 11, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-29T11:00:00Z":           at,
		"2026-11-29T11:00:00":            at,
		"2026-11-29 11:00":               at,
		"2026-11-29T11:00Z":              at,
		"2026-11-29T20:00:00+09:00":      at,
		"2026-11-29T20:00:00 09:00":      at,
		"2026-11-29T20:00 09:00":         at,
		"2026-11-29 20:00:00+09:00":      at,
		"2026-11-29T20:00:00+0900":       at,
		"2026-11-29T20:00+09":            at,
		"2026-11-29T07:30:00.000-03:30":  at,
		"2026-11-29T11:00:00.123456789Z": at.Add(123456789),
		"2026-11-29":                     time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC),
		"0000-01-01T00:00:00Z":           time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
		"0000-01-01T00:00:00+01:00":      {},
		"2026-02-30":                     {},
		"2026-11-29T":                    {},
		"2026-11-29x":                    {},
		"2026-11-29T11":                  {},
		"2026-11-29T25:00":               {},
		"2026-11-29T11:00:00Zx":          {},
		"2026-11-29T11:00:00+9":          {},
		"2026-1-29":                      {},
		"20261129":                       {},
		"2026":                           {},
		"":                               {},
		"Sun Nov 29 2026":                {},
		"2026-11-29T11:00:00.00000000000000Z and more": {},
	} {
		got, ok := ParseMoment(text)
		if !got.Equal(want) && ok || ok != !want.IsZero() && text[:4] != "0000" {
			t.Errorf("%q is %v %v, want %v", text, got, ok, want)
		}
	}
}

// TestOrderOfMoments: by SQL's rules dates sort as moments, and by Mongo's as texts.
func TestOrderOfMoments(t *testing.T) {
	t.Parallel()
	earlier, later := []byte(`{"a":"2026-11-29T20:00:00+09:00"}`), []byte(`{"a":"2026-11-29T12:00:00Z"}`)
	large, larger := []byte(`{"a":9007199254740992}`), []byte(`{"a":9007199254740993}`)
	for _, c := range []struct {
		rules Rules
		a, b  []byte
		want  int
	}{
		{SQL, earlier, later, -1}, {Mongo, earlier, later, 1}, {SQL, large, larger, -1}, {Mongo, large, larger, -1},
	} {
		o := Order{{Field: field("a"), Rules: c.rules}}
		keys := bytes.Compare(o.AppendKey(nil, c.a), o.AppendKey(nil, c.b))
		if got := o.Compare(c.a, c.b); got != c.want || keys != c.want {
			t.Errorf("%s and %s compare as %d, their keys as %d, want %d", c.a, c.b, got, keys, c.want)
		}
	}
}

// TestUnordered: where the order of an index differs from that of a term.
func TestUnordered(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][2]bool{ // by Mongo's rules, and by SQL's
		`"2026-11-29"`: {false, true}, `"a"`: {false, false}, `5`: {false, false}, `null`: {false, false}, `9007199254740993`: {true, true},
	} {
		doc := []byte(`{"a":` + value + `,"_a":` + value + `}`)
		for rules, unordered := range want {
			term := Term{Field: field("a"), Rules: Rules(rules)}
			if got := term.Unordered(term.Field.AppendKey(nil, doc)); got != unordered {
				t.Errorf("%s by rules %d: %v", value, rules, got)
			}
		}
		meta := Term{Field: field("_a"), Rules: SQL}
		if got := meta.Unordered(meta.Field.AppendKey(nil, doc)); got != want[Mongo] {
			t.Errorf("%s in a field of the store: %v", value, got)
		}
	}
}

// TestWeightOfDates: a comparison with a date costs more than another one.
func TestWeightOfDates(t *testing.T) {
	t.Parallel()
	date, text := ask(Eq, "a", `"2026-11-29"`), ask(Eq, "a", `"x"`)
	for _, c := range []struct {
		node Node
		want int
	}{
		{text, 2}, {sql(text), 2}, {date, 2}, {sql(date), 2 + dateWeight}, {Node{Op: And, Nodes: []Node{sql(date), sql(date)}}, 3 + 2*dateWeight},
	} {
		if got := compiled(t, c.node).Weight(); got != c.want {
			t.Errorf("%s weighs %d, want %d", c.node, got, c.want)
		}
	}
}
