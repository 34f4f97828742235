package query

import (
	"slices"
	"sort"
	"strings"

	"github.com/tidwall/gjson"
)

// operands are the values that a comparison compares with, each once, in order. They are small, since subscriptions
// keep them for long: a number that a float64 represents exactly takes 8 bytes and no text, any other value its text
// and 5 bytes.
type operands struct {
	numbers []float64
	kinds   []kind // of the other values
	ends    []uint32
	text    string // of the other values: a string's contents, else compact JSON
	moments bool   // a text that is a moment compares as a moment
	dates   bool   // some of the values are such texts
}

func newOperands(in []gjson.Result) *operands {
	in = slices.Clone(in)
	slices.SortFunc(in, Compare)
	in = slices.CompactFunc(in, func(a, b gjson.Result) bool { return Compare(a, b) == 0 })
	o := &operands{}
	var text strings.Builder
	for _, v := range in {
		if v.Type == gjson.Number && !inexact(v) {
			o.numbers = append(o.numbers, v.Num)
			continue
		}
		switch v.Type {
		case gjson.String:
			text.WriteString(v.Str)
		case gjson.JSON, gjson.Number:
			text.WriteString(v.Raw)
		}
		o.kinds = append(o.kinds, kindOf(v))
		o.ends = append(o.ends, uint32(text.Len()))
	}
	o.numbers, o.kinds, o.ends = slices.Clip(slices.Clone(o.numbers)), slices.Clip(slices.Clone(o.kinds)), slices.Clip(slices.Clone(o.ends))
	o.text = strings.Clone(text.String())
	return o
}

// other returns one of the other values.
func (o *operands) other(i int) gjson.Result {
	from := uint32(0)
	if i > 0 {
		from = o.ends[i-1]
	}
	text := o.text[from:o.ends[i]]
	switch o.kinds[i] {
	case numberKind:
		return gjson.Parse(text)
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

// has reports whether v is one of the operands, or the same moment as one.
func (o *operands) has(v gjson.Result) bool {
	if o.find(v) {
		return true
	}
	if !o.moments {
		return false
	}
	if o.dates {
		if text, ok := asText(v); ok && o.find(text) {
			return true
		}
	}
	if len(o.numbers) > 0 {
		if number, ok := asNumber(v); ok {
			return o.find(number)
		}
	}
	return false
}

func (o *operands) find(v gjson.Result) bool {
	if v.Type == gjson.Number && !inexact(v) {
		_, found := slices.BinarySearch(o.numbers, v.Num)
		return found
	}
	_, found := sort.Find(len(o.kinds), func(i int) int { return Compare(v, o.other(i)) })
	return found
}

// compares reports whether v op operand holds for the operand of v's kind. If there are several operands, they are
// forms of the same value.
func (o *operands) compares(v gjson.Result, op Op) bool {
	if o.moments {
		if moment, ok := o.compared(v); ok {
			v = moment
		}
	}
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
