package query

import (
	"slices"
	"sort"
	"strings"

	"github.com/tidwall/gjson"
)

// operands are the values that a comparison compares with, each once, in order. They are kept small, since subscriptions
// hold them for long: a number takes 8 bytes and no text, another value its text and 5 bytes.
type operands struct {
	numbers []float64
	kinds   []kind // of the values that are no numbers
	ends    []uint32
	text    string // theirs: of a string its contents, of an object or array its compact spelling
}

func newOperands(in []gjson.Result) *operands {
	in = slices.Clone(in)
	slices.SortFunc(in, Compare)
	in = slices.CompactFunc(in, func(a, b gjson.Result) bool { return Compare(a, b) == 0 })
	o := &operands{}
	var text strings.Builder
	for _, v := range in {
		if v.Type == gjson.Number {
			o.numbers = append(o.numbers, v.Num)
			continue
		}
		switch v.Type {
		case gjson.String:
			text.WriteString(v.Str)
		case gjson.JSON:
			text.WriteString(v.Raw)
		}
		o.kinds = append(o.kinds, kindOf(v))
		o.ends = append(o.ends, uint32(text.Len()))
	}
	o.numbers, o.kinds, o.ends = slices.Clip(slices.Clone(o.numbers)), slices.Clip(slices.Clone(o.kinds)), slices.Clip(slices.Clone(o.ends))
	o.text = strings.Clone(text.String())
	return o
}

// other returns one of the values that are no numbers.
func (o *operands) other(i int) gjson.Result {
	from := uint32(0)
	if i > 0 {
		from = o.ends[i-1]
	}
	text := o.text[from:o.ends[i]]
	switch o.kinds[i] {
	case stringKind:
		return gjson.Result{Type: gjson.String, Str: text}
	case objectKind, arrayKind:
		return gjson.Result{Type: gjson.JSON, Raw: text}
	case falseKind:
		return gjson.Result{Type: gjson.False}
	case trueKind:
		return gjson.Result{Type: gjson.True}
	}
	return gjson.Result{}
}

// each yields the values.
func (o *operands) each(yield func(gjson.Result) bool) {
	for _, n := range o.numbers {
		if !yield(gjson.Result{Type: gjson.Number, Num: n}) {
			return
		}
	}
	for i := range o.kinds {
		if !yield(o.other(i)) {
			return
		}
	}
}

// has reports whether v is one of the operands.
func (o *operands) has(v gjson.Result) bool {
	if v.Type == gjson.Number {
		_, found := slices.BinarySearch(o.numbers, v.Num)
		return found
	}
	_, found := sort.Find(len(o.kinds), func(i int) int { return Compare(v, o.other(i)) })
	return found
}

// beside reports whether v lies on the given side of one of the operands: of the one of its kind, as they are spellings
// of the same.
func (o *operands) beside(v gjson.Result, op Op) bool {
	for other := range o.each {
		if !alike(v, other) {
			continue
		}
		c := Compare(v, other)
		if c < 0 && (op == Lt || op == Lte) || c > 0 && (op == Gt || op == Gte) || c == 0 && (op == Lte || op == Gte) {
			return true
		}
	}
	return false
}
