package query

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// Func is the function of an aggregate.
type Func byte

// Count counts documents, or with a Field those where it is not null. Sum and Avg use only numbers. Min and Max return
// the least and the greatest value by Compare that is not null. MinDocument and MaxDocument return the first document
// with it.
const (
	Count Func = iota
	Sum
	Avg
	Min
	Max
	MinDocument
	MaxDocument
)

// Aggregate is one figure of an aggregation. As is its name in the door's answer. By SQL's rules the sum of nothing is
// null, and texts that are moments compare as moments. A Distinct figure uses each value once.
type Aggregate struct {
	Func     Func
	Field    Field
	As       string
	Rules    Rules
	Distinct bool
}

// Group has the figures of the documents with the same values. By has these values in the order of the grouping fields,
// null for a missing one. Values has the figures in the order of the aggregates, each as JSON. A figure of no value is
// null.
type Group struct {
	By     []string
	Values []string
}

// Aggregation computes figures in one pass over documents. Only one goroutine may use it. Rules say which values are
// equal.
type Aggregation struct {
	Rules Rules

	by     []Field
	of     []Aggregate
	groups map[string]*group
	bytes  int
	key    []byte
}

type group struct {
	key     string
	by      []string
	figures []figure
}

type figure struct {
	count int
	sum   float64
	whole int64 // the sum, if it is exact
	rough bool  // whole is not exact
	best  string
	seen  map[string]struct{} // the keys of the values so far, if the figure is Distinct
	doc   string              // the document with the best value, for MinDocument and MaxDocument
}

// NewAggregation starts an aggregation. Without grouping fields, all documents are one group.
func NewAggregation(by []Field, of []Aggregate) (*Aggregation, error) {
	if len(by)+len(of) > MaxFields {
		return nil, Refuse(TooMany, "the aggregate has %d fields: at most %d are allowed", len(by)+len(of), MaxFields)
	}
	for _, a := range of {
		if a.Func != Count && len(a.Field.names) == 0 {
			return nil, Refuse(BadField, "an aggregate names no field")
		}
	}
	a := &Aggregation{by: by, of: of, groups: map[string]*group{}}
	if len(by) == 0 {
		a.groups[""] = &group{figures: make([]figure, len(of))}
	}
	return a, nil
}

// Add adds one document. It fails if there are too many groups.
func (a *Aggregation) Add(doc []byte) error {
	a.key = a.key[:0]
	for _, f := range a.by {
		a.key = AppendExactKey(a.key, a.Rules.sorted(f.At(doc)))
	}
	g := a.groups[string(a.key)]
	if g == nil {
		var err error
		if g, err = a.open(doc); err != nil {
			return err
		}
	}
	for i := range a.of {
		a.bytes += g.figures[i].add(&a.of[i], doc)
	}
	return a.check(0)
}

// check refuses an aggregation that would take too much memory.
func (a *Aggregation) check(more int) error {
	if len(a.groups)+more > MaxGroups || a.bytes > maxGroupBytes {
		return Refuse(TooMany, "there are more than %d groups, or their values are too long: narrow the condition or group by a field with fewer values", MaxGroups)
	}
	return nil
}

func (a *Aggregation) open(doc []byte) (*group, error) {
	g := &group{key: string(a.key), figures: make([]figure, len(a.of))}
	a.bytes += len(g.key) + 64*len(a.of)
	for _, f := range a.by { // a long number has a short key, so its text counts too
		a.bytes += len(f.At(doc).Raw)
	}
	if err := a.check(1); err != nil {
		return nil, err
	}
	for _, f := range a.by {
		g.by = append(g.by, rawOf(f.At(doc)))
	}
	a.groups[g.key] = g
	return g, nil
}

// rawOf is a copy of a value's JSON.
func rawOf(v gjson.Result) string {
	if !v.Exists() {
		return "null"
	}
	return strings.Clone(v.Raw)
}

// seenBytes is the memory of a value in figure.seen, besides its key.
const seenBytes = 64

// first reports whether a value occurs for the first time, and by how many bytes the figure has grown.
func (f *figure) first(a *Aggregate, v gjson.Result) (bool, int) {
	key := AppendExactKey(nil, a.Rules.sorted(v))
	if _, seen := f.seen[string(key)]; seen {
		return false, 0
	}
	if f.seen == nil {
		f.seen = map[string]struct{}{}
	}
	f.seen[string(key)] = struct{}{}
	return true, len(key) + seenBytes
}

// addUp adds a number to the sum.
func (f *figure) addUp(v gjson.Result) {
	f.sum += v.Num
	n, err := strconv.ParseInt(v.Raw, 10, 64)
	sum := f.whole + n
	if err != nil || n > 0 != (sum > f.whole) && n != 0 {
		f.rough = true
	}
	f.whole = sum
}

// add adds a document's value. It returns by how many bytes the figure has grown.
func (f *figure) add(a *Aggregate, doc []byte) int {
	if len(a.Field.names) == 0 {
		f.count++
		return 0
	}
	v := a.Field.At(doc)
	if v.Type == gjson.Null || v.Type != gjson.Number && (a.Func == Sum || a.Func == Avg) {
		return 0
	}
	grown := 0
	if a.Distinct {
		var first bool
		if first, grown = f.first(a, v); !first {
			return 0
		}
	}
	f.count++
	before := len(f.best) + len(f.doc)
	switch a.Func {
	case Sum, Avg:
		f.addUp(v)
	case Min, Max:
		f.keep(a.Rules, v, a.Func == Min)
	case MinDocument, MaxDocument:
		if f.keep(a.Rules, v, a.Func == MinDocument) {
			f.doc = string(doc)
		}
	}
	return grown + len(f.best) + len(f.doc) - before
}

// keep replaces the best value by v if v is the first or better. It reports whether it did.
func (f *figure) keep(rules Rules, v gjson.Result, least bool) bool {
	c := rules.Compare(v, gjson.Parse(f.best))
	if f.count > 1 && (c == 0 || least != (c < 0)) {
		return false
	}
	f.best = rawOf(v)
	return true
}

// Groups are the groups so far, in the order of the values grouped by.
func (a *Aggregation) Groups() []Group {
	all := make([]*group, 0, len(a.groups))
	for _, g := range a.groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(x, y *group) int { return strings.Compare(x.key, y.key) })
	out := make([]Group, len(all))
	for i, g := range all {
		out[i] = Group{By: g.by, Values: make([]string, len(a.of))}
		for j := range a.of {
			out[i].Values[j] = g.figures[j].text(&a.of[j])
		}
	}
	return out
}

func (f *figure) text(a *Aggregate) string {
	switch {
	case a.Func == Count:
		return strconv.Itoa(f.count)
	case f.count == 0 && (a.Func != Sum || a.Rules == SQL):
		return "null"
	case a.Func == Sum && !f.rough:
		return strconv.FormatInt(f.whole, 10)
	case a.Func == Sum:
		return number(f.sum)
	case a.Func == Avg:
		return number(f.sum / float64(f.count))
	case a.Func == MinDocument || a.Func == MaxDocument:
		return f.doc
	}
	return f.best
}

// number formats a float64 as JSON. JSON has no infinity, so that becomes null.
func number(f float64) string {
	switch {
	case math.IsInf(f, 0) || math.IsNaN(f):
		return "null"
	case math.Abs(f) < 1e21:
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
