package query

import (
	"math"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// By SQL's rules a text such as 2026-11-29T20:00:00+09:00 is a moment, and compares by its time in whatever format. A
// number compares with it as milliseconds since 1970, as in JavaScript.

// moments is the format in which moments are compared: the texts sort as the moments do.
const moments = "2006-01-02T15:04:05.000000000Z"

// The parts of a moment's layout: what is between date and time, whether there are seconds, and the offset. Without an
// offset the moment is UTC.
var (
	separators = []string{"T", " "}
	clocks     = []string{"15:04:05", "15:04"}
	offsets    = map[int]string{0: "", 1: "Z07:00", 3: "Z07", 5: "Z0700", 6: "Z07:00"}
	layouts    = momentLayouts()
)

func momentLayouts() map[string]string {
	all := map[string]string{}
	for _, separator := range separators {
		for _, clock := range clocks {
			for _, offset := range offsets {
				all[separator+clock+offset] = time.DateOnly + separator + clock + offset
			}
		}
	}
	return all
}

// ParseMoment reads an ISO 8601 date, or date and time of day. Without an offset it is UTC. A blank before the offset
// is a plus that was not escaped in a URL.
func ParseMoment(s string) (time.Time, bool) {
	if len(s) < len(time.DateOnly) || len(s) > 40 || s[4] != '-' || s[7] != '-' {
		return time.Time{}, false
	}
	if at := len(s) - len("+00:00"); at > len(time.DateOnly) && s[at] == ' ' {
		s = s[:at] + "+" + s[at+1:]
	}
	t, err := time.Parse(momentLayout(s), s)
	if err != nil {
		return time.Time{}, false
	}
	t = t.UTC()
	return t, t.Year() >= 0 && t.Year() <= 9999 // other years do not fit the format
}

// momentLayout is the layout that fits the shape of a text.
func momentLayout(s string) string {
	if len(s) == len(time.DateOnly) {
		return time.DateOnly
	}
	if len(s) < len("2006-01-02T15:04") {
		return ""
	}
	clock, offset := "15:04", ""
	rest := s[len("2006-01-02T15:04"):]
	if strings.HasPrefix(rest, ":") {
		clock = "15:04:05"
	}
	if i := strings.IndexAny(rest, "Z+-"); i >= 0 {
		offset = offsets[len(rest)-i]
	}
	return layouts[s[10:11]+clock+offset]
}

// The range of the numbers that are moments: those with years of four digits.
const (
	minMillis = -62135596800000
	maxMillis = 253402300799999
)

// MomentAt returns the moment millis milliseconds after the start of 1970.
func MomentAt(millis float64) (time.Time, bool) {
	if !(millis >= minMillis && millis <= maxMillis) { // also false for NaN
		return time.Time{}, false
	}
	return time.UnixMicro(int64(math.Round(millis * 1000))).UTC(), true
}

// asText returns a value in the format of moments, if it is one.
func asText(v gjson.Result) (gjson.Result, bool) {
	var t time.Time
	ok := false
	switch v.Type {
	case gjson.String:
		t, ok = ParseMoment(v.Str)
	case gjson.Number:
		t, ok = MomentAt(v.Num)
	}
	if !ok {
		return v, false
	}
	return gjson.Result{Type: gjson.String, Str: t.Format(moments)}, true
}

// asNumber returns a text that is a moment as milliseconds since 1970.
func asNumber(v gjson.Result) (gjson.Result, bool) {
	if v.Type != gjson.String {
		return v, false
	}
	t, ok := ParseMoment(v.Str)
	return gjson.Result{Type: gjson.Number, Num: float64(t.UnixMicro()) / 1000}, ok
}

// sorted is a value as the rules compare it: by SQL's a moment in one format.
func (r Rules) sorted(v gjson.Result) gjson.Result {
	if r == SQL && v.Type == gjson.String {
		v, _ = asText(v)
	}
	return v
}

// Compare orders two values by rules.
func (r Rules) Compare(a, b gjson.Result) int { return Compare(r.sorted(a), r.sorted(b)) }

// compared returns what a document's value compares as with operands that are numbers or moments.
func (o *operands) compared(v gjson.Result) (gjson.Result, bool) {
	switch {
	case o.dates:
		return asText(v)
	case len(o.numbers) > 0:
		return asNumber(v)
	}
	return v, false
}

// slack is how far the date in another format of a moment may differ: offsets are less than a day.
const slack = 48 * time.Hour

// momentRanges are the parts of an index that may have other formats of the moments for which the comparison with v
// holds.
func momentRanges(v gjson.Result, op Op) []Range {
	text, ok := asText(v)
	if !ok {
		return nil
	}
	t, _ := ParseMoment(text.Str)
	strings := Range{[]byte{byte(stringKind), '0'}, []byte{byte(stringKind), '9' + 1}}
	numbers := kindRange(numberKind, numberKind)
	number, _ := asNumber(text)
	if op != Lt && op != Lte {
		strings.Low = dateKey(t.Add(-slack), strings.Low)
		numbers.Low = AppendKey(nil, gjson.Result{Type: gjson.Number, Num: number.Num - 1})
	}
	if op != Gt && op != Gte {
		if high := dateKey(t.Add(slack), nil); high != nil {
			strings.High = following(high)
		}
		numbers.High = AppendKey(nil, gjson.Result{Type: gjson.Number, Num: number.Num + 1})
	}
	if v.Type == gjson.Number {
		return []Range{strings}
	}
	return []Range{strings, numbers}
}

// dateKey is the prefix of the keys of a date. It is otherwise if the year does not have four digits.
func dateKey(t time.Time, otherwise []byte) []byte {
	if t.Year() < 0 || t.Year() > 9999 {
		return otherwise
	}
	return t.AppendFormat([]byte{byte(stringKind)}, time.DateOnly)
}
