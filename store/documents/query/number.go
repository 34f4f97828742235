package query

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// exactBelow bounds the whole numbers that a float64 represents exactly. From there on, several numbers have one
// float64.
const exactBelow = 1 << 53

// inexact reports whether other numbers may have the same float64.
func inexact(v gjson.Result) bool { return v.Type == gjson.Number && math.Abs(v.Num) >= exactBelow }

// compareNumbers orders numbers as float64. Numbers with the same large float64 are ordered by their digits.
func compareNumbers(a, b gjson.Result) int {
	if c := cmp.Compare(a.Num, b.Num); c != 0 || math.Abs(a.Num) < exactBelow || a.Raw == b.Raw {
		return c
	}
	return decimalOf(a).compare(decimalOf(b))
}

// decimal is a number other than zero: its sign, its digits without zeros at either end, and how many digits come
// before the point.
type decimal struct {
	negative bool
	digits   string
	point    int
}

// decimalOf reads the JSON of a number, or its float64 if there is no JSON.
func decimalOf(v gjson.Result) decimal {
	text := v.Raw
	if text == "" {
		text = strconv.FormatFloat(v.Num, 'f', -1, 64)
	}
	d := decimal{}
	text, d.negative = strings.CutPrefix(text, "-")
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		d.point, _ = strconv.Atoi(strings.TrimPrefix(text[i+1:], "+")) // an exponent out of range becomes the bound
		text = text[:i]
	}
	whole, part, _ := strings.Cut(text, ".")
	d.point = max(min(d.point, math.MaxInt32), math.MinInt32) + len(whole)
	all := whole + part
	d.digits = strings.TrimLeft(all, "0")
	d.point -= len(all) - len(d.digits)
	d.digits = strings.TrimRight(d.digits, "0")
	return d
}

func (d decimal) compare(e decimal) int {
	if d.negative != e.negative {
		return d.sign()
	}
	return d.sign() * cmp.Or(cmp.Compare(d.point, e.point), strings.Compare(d.digits, e.digits))
}

func (d decimal) sign() int {
	if d.negative {
		return -1
	}
	return 1
}

// appendExact appends what distinguishes large numbers with one float64, in their order. It has its own end mark.
func appendExact(dst []byte, v gjson.Result) []byte {
	d := decimalOf(v)
	from := len(dst)
	point := uint32(d.point) ^ 1<<31 // negative ones first
	dst = append(dst, byte(point>>24), byte(point>>16), byte(point>>8), byte(point))
	dst = append(append(dst, d.digits...), 0)
	if d.negative {
		for i := from; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst
}
