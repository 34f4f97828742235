package query

import (
	"bytes"
	"slices"

	"github.com/tidwall/gjson"
)

// Range is a part of an index on a field: the keys, as Field.AppendKey makes them, from Low up to but not including
// High.
type Range struct{ Low, High []byte }

// everything is the whole index: no key begins with 0xFF.
var everything = []Range{{nil, []byte{0xFF}}}

// arrays is the part of an index with the documents whose field is an array, or is inside one.
var arrays = kindRange(arrayKind, arrayKind)

// Ranges returns the parts of an index on a field that may have matching documents. They are ascending and do not
// touch; an empty result means that nothing can match. It returns false if a match may be anywhere. Every match is in
// one of the ranges, but not everything in them matches: Match decides.
//
// By Mongo's rules an array matches by its elements, but an index has one key for the whole array. So the range of
// arrays is nearly always among the results.
func (c *Condition) Ranges(field string) ([]Range, bool) {
	if c == nil {
		return nil, false
	}
	r := c.root.ranges(field)
	if len(r) == 1 && len(r[0].Low) == 0 && r[0].High[0] == 0xFF {
		return nil, false
	}
	return r, true
}

func (n *node) ranges(field string) []Range {
	switch n.Op {
	case And:
		out := everything
		for i := range n.nodes {
			out = intersect(out, n.nodes[i].ranges(field))
		}
		return out
	case Or:
		var out []Range
		for i := range n.nodes {
			out = append(out, n.nodes[i].ranges(field)...)
		}
		return union(out)
	}
	if n.Op < Eq || n.Negate || n.Field.path != field {
		return everything
	}
	out, ok := n.ownRanges()
	if !ok {
		return everything
	}
	if n.Rules == Mongo || n.inList() || len(n.Field.names) > 1 {
		out = append(out, arrays)
	}
	return union(out)
}

// ownRanges is where the values are for which a comparison holds.
func (n *node) ownRanges() ([]Range, bool) {
	var out []Range
	switch n.Op {
	case Eq, In:
		if n.Fold {
			return nil, false
		}
		out = n.values.ranges(n.Op)
	case Lt, Lte, Gt, Gte:
		out = n.values.ranges(n.Op)
	case Between:
		return intersect(union(n.values.ranges(Gte)), union(n.highs.ranges(Lte))), true
	case StartsWith:
		if n.Fold {
			return nil, false
		}
		low := appendEscaped([]byte{byte(stringKind)}, n.text[:min(len(n.text), maxKeyText)])
		out = append(out, Range{low, following(low)})
	case Null:
		out = append(out, kindRange(nullKind, nullKind))
	default:
		return nil, false
	}
	return out, true
}

// ranges are where the values are for which the comparison with one of the operands holds.
func (o *operands) ranges(op Op) []Range {
	var out []Range
	for v := range o.each {
		key, kinds := AppendKey(nil, v), kindsOf(v)
		switch op {
		case Lt, Lte:
			out = append(out, Range{kinds.Low, following(key)})
		case Gt, Gte:
			out = append(out, Range{key, kinds.High})
		default:
			out = append(out, Range{key, following(key)})
		}
		if o.moments {
			out = append(out, momentRanges(v, op)...)
		}
	}
	return out
}

// kindsOf is where the values are that v compares with.
func kindsOf(v gjson.Result) Range {
	if v.IsBool() {
		return kindRange(falseKind, trueKind)
	}
	k := kindOf(v)
	return kindRange(k, k)
}

func kindRange(first, last kind) Range {
	return Range{[]byte{byte(first)}, []byte{byte(last) + 1}}
}

// union sorts ranges, joins those that touch and drops empty ones.
func union(in []Range) []Range {
	in = slices.DeleteFunc(in, func(r Range) bool { return bytes.Compare(r.Low, r.High) >= 0 })
	slices.SortFunc(in, func(a, b Range) int { return bytes.Compare(a.Low, b.Low) })
	out := in[:0]
	for _, r := range in {
		if last := len(out) - 1; last >= 0 && bytes.Compare(r.Low, out[last].High) <= 0 {
			if bytes.Compare(r.High, out[last].High) > 0 {
				out[last].High = r.High
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// intersect is the part that two unions have in common.
func intersect(a, b []Range) []Range {
	var out []Range
	for i, j := 0, 0; i < len(a) && j < len(b); {
		low, high := a[i].Low, a[i].High
		if bytes.Compare(b[j].Low, low) > 0 {
			low = b[j].Low
		}
		if bytes.Compare(b[j].High, high) < 0 {
			high = b[j].High
			j++
		} else {
			i++
		}
		if bytes.Compare(low, high) < 0 {
			out = append(out, Range{low, high})
		}
	}
	return out
}
