package query

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

// The model decodes the whole document and tests each condition in the simplest way. It shares only Compare with the
// code, which TestOrderOfValues checks.

// leaves are the values at a path; nil stands for a missing one. With subscripts, a number is also an element.
func leaves(v any, names []string, subscripts bool) []any {
	if len(names) == 0 {
		return []any{v}
	}
	switch v := v.(type) {
	case map[string]any:
		if e, ok := v[names[0]]; ok {
			return leaves(e, names[1:], subscripts)
		}
	case []any:
		var out []any
		i, err := strconv.Atoi(names[0])
		subscripts := subscripts && err == nil
		if subscripts && i < len(v) {
			out = leaves(v[i], names[1:], true)
		}
		for _, e := range v {
			if o, ok := e.(map[string]any); ok && (!subscripts || has(o, names[0])) {
				out = append(out, leaves(e, names, subscripts)...)
			}
		}
		if out != nil {
			return out
		}
	}
	return []any{missing{}}
}

func has(o map[string]any, name string) bool {
	_, is := o[name]
	return is
}

type missing struct{}

func result(v any) gjson.Result {
	if _, ok := v.(missing); ok {
		return gjson.Result{}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return gjson.Parse(strings.TrimSpace(b.String()))
}

func naive(n Node, doc any) bool {
	switch n.Op {
	case And:
		for _, kid := range n.Nodes {
			if !naive(kid, doc) {
				return false
			}
		}
		return true
	case Or:
		for _, kid := range n.Nodes {
			if naive(kid, doc) {
				return true
			}
		}
		return false
	case Not:
		return !naive(n.Nodes[0], doc)
	}
	all := leaves(doc, strings.Split(n.Field.path, "."), n.Field.subscripts)
	if n.Rules == SQL {
		for _, v := range all {
			r := result(v)
			isNull := r.Type == gjson.Null
			holds := naiveTest(n, r)
			if elements, ok := v.([]any); ok && (n.Op == In || n.Op == StartsWith) {
				for _, e := range elements {
					holds = holds || naiveTest(n, result(e))
				}
			}
			if (n.Op >= Exists || !isNull) && holds != n.Negate {
				return true
			}
		}
		return false
	}
	for _, v := range all {
		if naiveTest(n, result(v)) {
			return !n.Negate
		}
		if elements, ok := v.([]any); ok && n.Op < Exists {
			for _, e := range elements {
				if naiveTest(n, result(e)) {
					return !n.Negate
				}
			}
		}
	}
	return n.Negate
}

// when is a moment as a number, by the standard library: of a text in one of the drawn formats, or of a number.
func when(v gjson.Result) (float64, bool) {
	if v.Type == gjson.Number {
		return v.Num, v.Num >= minMillis && v.Num <= maxMillis
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, v.Str); err == nil && v.Type == gjson.String {
			return float64(t.UnixMilli()), true
		}
	}
	return 0, false
}

// naiveMoments compares two values. At least one is a text that is a moment; the other is one too, or a number.
func naiveMoments(v, o gjson.Result) (c int, ok bool) {
	if f, err := strconv.ParseFloat(o.Str, 64); err == nil && o.Type == gjson.String && gjson.Valid(o.Str) {
		o = gjson.Result{Type: gjson.Number, Num: f}
	}
	a, first := when(v)
	b, second := when(o)
	return cmp.Compare(a, b), first && second && (v.Type == gjson.String || o.Type == gjson.String)
}

func naiveTest(n Node, v gjson.Result) bool {
	relation := func(o gjson.Result, less, same, more bool) bool {
		try := func(o gjson.Result) bool {
			if n.Rules == SQL && o.Type == gjson.Null {
				return false
			}
			if (v.Type != o.Type || v.IsArray() != o.IsArray()) && !(v.IsBool() && o.IsBool()) {
				return false
			}
			c := Compare(v, o)
			return less && c < 0 || same && c == 0 || more && c > 0
		}
		if c, ok := naiveMoments(v, o); ok && n.Rules == SQL {
			return less && c < 0 || same && c == 0 || more && c > 0
		}
		if try(o) {
			return true
		}
		if n.Rules == SQL && o.Type == gjson.String {
			if f, err := strconv.ParseFloat(o.Str, 64); err == nil && o.Str != "" && strings.Trim(o.Str, "0123456789-.e") == "" && gjson.Valid(o.Str) {
				return try(gjson.Result{Type: gjson.Number, Num: f, Raw: o.Str})
			}
			if o.Str == "true" || o.Str == "false" {
				return try(gjson.Parse(o.Str))
			}
		}
		return false
	}
	switch n.Op {
	case Eq, In:
		for _, o := range n.Values {
			if relation(o, false, true, false) {
				return true
			}
		}
		return false
	case Lt:
		return relation(n.Values[0], true, false, false)
	case Lte:
		return relation(n.Values[0], true, true, false)
	case Gt:
		return relation(n.Values[0], false, false, true)
	case Gte:
		return relation(n.Values[0], false, true, true)
	case Between:
		return relation(n.Values[0], false, true, true) && relation(n.Values[1], true, true, false)
	case StartsWith:
		return v.Type == gjson.String && len(v.Str) >= len(n.Values[0].Str) && v.Str[:len(n.Values[0].Str)] == n.Values[0].Str
	case Exists:
		return v.Exists()
	case Null:
		return v.Type == gjson.Null
	}
	panic("not in the model")
}

// anyNode draws conditions on few fields, so that they often meet the documents and each other.
func anyNode(depth int) *rapid.Generator[Node] {
	return rapid.Custom(func(t *rapid.T) Node {
		if depth > 0 && rapid.Bool().Draw(t, "group") {
			op := rapid.SampledFrom([]Op{And, And, Or, Not}).Draw(t, "op")
			count := 1
			if op != Not {
				count = rapid.IntRange(0, 3).Draw(t, "count")
			}
			n := Node{Op: op}
			for range count {
				n.Nodes = append(n.Nodes, anyNode(depth-1).Draw(t, "node"))
			}
			return n
		}
		n := Node{
			Op:     rapid.SampledFrom([]Op{Eq, In, Lt, Lte, Gt, Gte, Between, StartsWith, Exists, Null}).Draw(t, "op"),
			Rules:  rapid.SampledFrom([]Rules{Mongo, SQL}).Draw(t, "rules"),
			Negate: rapid.IntRange(0, 4).Draw(t, "negate") == 0,
			Field:  field(rapid.SampledFrom(append([]string{"a", "a.b", "a.b", "#.a", "0.0"}, fieldNames...)).Draw(t, "field")),
		}
		if rapid.IntRange(0, 3).Draw(t, "subscripts") == 0 {
			n.Field = path(rapid.SampledFrom([]string{"a.0", "a.1.b", "a.0.0", "0.0", "#.0.a"}).Draw(t, "path"))
		}
		count := n.Op.values()
		if count < 0 {
			count = rapid.IntRange(0, 4).Draw(t, "count")
		}
		for range count {
			v := anyValue(1).Draw(t, "value")
			if n.Op == StartsWith {
				v = quote(anyText().Draw(t, "text"))
			}
			n.Values = append(n.Values, result(decode(v)))
		}
		return n
	})
}

func decode(s string) any {
	var v any
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber() // float64 cannot represent all of them
	if err := d.Decode(&v); err != nil {
		panic(err)
	}
	return v
}

// plain is a document as encoding/json writes it, as in the model.
func plain(t *rapid.T) (string, any) {
	v := decode(anyObject(2).Draw(t, "doc"))
	return result(v).Raw, v
}

func TestMatchAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := anyNode(2).Draw(t, "condition")
		c, err := Compile(n)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			text, doc := plain(t)
			if got, want := c.Match([]byte(text)), naive(n, doc); got != want {
				t.Fatalf("%s: matches %v, in the model %v", text, got, want)
			}
		}
	})
}

// TestRangesHoldAllMatches: the key of every match is in one of the ranges. The ranges are ascending and do not touch.
func TestRangesHoldAllMatches(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := anyNode(2).Draw(t, "condition")
		c, err := Compile(n)
		if err != nil {
			t.Fatal(err)
		}
		index := rapid.SampledFrom([]string{"a", "a", "a.b", "#", "a.0", "a.1.b"}).Draw(t, "index")
		ranges, ok := c.Ranges(index)
		if !ok {
			ranges = everything
		}
		for i, r := range ranges {
			if bytes.Compare(r.Low, r.High) >= 0 || i > 0 && bytes.Compare(ranges[i-1].High, r.Low) >= 0 {
				t.Fatalf("ranges %x", ranges)
			}
		}
		for range 5 {
			text, doc := plain(t)
			if naive(n, doc) && !within(ranges, field(index).AppendKey(nil, []byte(text))) {
				t.Fatalf("%s matches, but is in none of %x", text, ranges)
			}
		}
	})
}

func within(ranges []Range, key []byte) bool {
	for _, r := range ranges {
		if bytes.Compare(key, r.Low) >= 0 && bytes.Compare(key, r.High) < 0 {
			return true
		}
	}
	return false
}
