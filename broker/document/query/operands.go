package query

import (
	"slices"

	"github.com/tidwall/gjson"
)

// operands are the values that a comparison compares with, each once, in order. They are kept small, since subscriptions
// hold them for long: a number takes 8 bytes, and its text nothing.
type operands struct {
	numbers []float64
	others  []operand
}

// operand is a value that is no number.
type operand struct {
	kind kind
	text string // of a string its contents, of an object or array its compact spelling
}

func newOperands(in []gjson.Result) operands {
	in = slices.Clone(in)
	slices.SortFunc(in, Compare)
	in = slices.CompactFunc(in, func(a, b gjson.Result) bool { return Compare(a, b) == 0 })
	numbers := 0
	for _, v := range in {
		if v.Type == gjson.Number {
			numbers++
		}
	}
	var out operands
	if numbers > 0 {
		out.numbers = make([]float64, 0, numbers)
	}
	if others := len(in) - numbers; others > 0 {
		out.others = make([]operand, 0, others)
	}
	for _, v := range in {
		switch v.Type {
		case gjson.Number:
			out.numbers = append(out.numbers, v.Num)
		case gjson.String:
			out.others = append(out.others, operand{stringKind, v.Str})
		case gjson.JSON:
			out.others = append(out.others, operand{kindOf(v), v.Raw})
		default:
			out.others = append(out.others, operand{kind: kindOf(v)})
		}
	}
	return out
}

// value returns the operand as it came.
func (o operand) value() gjson.Result {
	switch o.kind {
	case stringKind:
		return gjson.Result{Type: gjson.String, Str: o.text}
	case objectKind, arrayKind:
		return gjson.Result{Type: gjson.JSON, Raw: o.text}
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
	for _, other := range o.others {
		if !yield(other.value()) {
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
	_, found := slices.BinarySearchFunc(o.others, v, func(a operand, v gjson.Result) int { return Compare(a.value(), v) })
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
