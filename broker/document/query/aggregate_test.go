package query

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestAggregate(t *testing.T) {
	t.Parallel()
	docs := []string{
		`{"c":"x","n":1,"d":"2026-01-02"}`, `{"c":"y","n":2.5}`, `{"c":"x","n":4,"d":"2026-01-01"}`, `{"n":"9"}`, `{"c":null,"n":null}`, `{"c":"x"}`,
	}
	five := []Aggregate{{Func: Count}, {Sum, field("n"), ""}, {Avg, field("n"), ""}, {Min, field("n"), ""}, {Max, field("d"), ""}, {Count, field("n"), ""}}
	for _, c := range []struct {
		name string
		by   []Field
		docs []string
		want []Group
	}{
		{"nothing", nil, nil, []Group{{nil, []string{"0", "0", "null", "null", "null", "0"}}}},
		{"all", nil, docs, []Group{{nil, []string{"6", "7.5", "2.5", "1", `"2026-01-02"`, "4"}}}},
		{"no groups", []Field{field("c")}, nil, []Group{}},
		{"by one", []Field{field("c")}, docs, []Group{
			{[]string{"null"}, []string{"2", "0", "null", `"9"`, "null", "1"}},
			{[]string{`"x"`}, []string{"3", "5", "2.5", "1", `"2026-01-02"`, "2"}},
			{[]string{`"y"`}, []string{"1", "2.5", "2.5", "2.5", "null", "1"}},
		}},
		{"by two", []Field{field("c"), field("d")}, docs[:2], []Group{
			{[]string{`"x"`, `"2026-01-02"`}, []string{"1", "1", "1", "1", `"2026-01-02"`, "1"}},
			{[]string{`"y"`, "null"}, []string{"1", "2.5", "2.5", "2.5", "null", "1"}},
		}},
		{"beyond numbers", nil, []string{`{"n":1e308}`, `{"n":1e308}`}, []Group{{nil, []string{"2", "null", "null", "1e308", "null", "2"}}}},
	} {
		a, err := NewAggregation(c.by, five)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range c.docs {
			own := []byte(doc)
			if err := a.Add(own); err != nil {
				t.Fatal(err)
			}
			clear(own) // the next document comes in the same memory
		}
		if got := a.Groups(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestAggregateDocuments: the first document with the least or greatest value, and what these take is bounded.
func TestAggregateDocuments(t *testing.T) {
	t.Parallel()
	a, err := NewAggregation([]Field{field("c")}, []Aggregate{{MinDocument, field("n"), ""}, {MaxDocument, field("n"), ""}})
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{`{"c":1,"n":3}`, `{"c":1,"n":1,"x":"a"}`, `{"c":1,"n":1,"x":"b"}`, `{"c":1,"n":3.0}`, `{"c":2}`} {
		own := []byte(doc)
		if err := a.Add(own); err != nil {
			t.Fatal(err)
		}
		clear(own)
	}
	want := []Group{{[]string{"1"}, []string{`{"c":1,"n":1,"x":"a"}`, `{"c":1,"n":3}`}}, {[]string{"2"}, []string{"null", "null"}}}
	if got := a.Groups(); !reflect.DeepEqual(got, want) {
		t.Error(got)
	}
	err = nil
	for i := 0; err == nil && i < 100; i++ {
		err = a.Add(fmt.Appendf(nil, `{"c":"%d","n":1,"x":"%s"}`, i, strings.Repeat("x", 1<<18)))
	}
	checkError(t, "bytes of documents", err, TooMany, tooManyGroups)
}

const tooManyGroups = "there are more than 10000 groups, or their values are too long: narrow the condition or group by a field with fewer values"

func TestAggregateBounds(t *testing.T) {
	t.Parallel()
	_, err := NewAggregation(nil, []Aggregate{{Func: Sum}})
	checkError(t, "no field", err, BadField, "an aggregate names no field")
	_, err = NewAggregation(make([]Field, 50), make([]Aggregate, 51))
	checkError(t, "fields", err, TooMany, "the aggregate has 101 fields: at most 100 are taken")

	a, err := NewAggregation([]Field{field("n")}, []Aggregate{{Func: Count}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range MaxGroups {
		if err := a.Add(fmt.Appendf(nil, `{"n":%d}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	checkError(t, "a known group", a.Add([]byte(`{"n":1}`)), "", "")
	checkError(t, "groups", a.Add([]byte(`{"n":-1}`)), TooMany, tooManyGroups)

	long := func(i int) []byte { return fmt.Appendf(nil, `{"n":"%d%s"}`, i, strings.Repeat("x", 1<<20)) }
	a, _ = NewAggregation([]Field{field("n")}, nil)
	for i := 0; err == nil && i < 100; i++ {
		err = a.Add(long(i))
	}
	checkError(t, "bytes of groups", err, TooMany, tooManyGroups)

	a, _ = NewAggregation(nil, []Aggregate{{Max, field("a"), ""}, {Max, field("b"), ""}, {Max, field("c"), ""}, {Max, field("d"), ""}, {Max, field("e"), ""}, {Max, field("f"), ""}, {Max, field("g"), ""}, {Max, field("h"), ""}, {Max, field("i"), ""}})
	err = nil
	for _, f := range "abcdefghi" {
		if err == nil {
			err = a.Add(fmt.Appendf(nil, `{"%c":"%s"}`, f, strings.Repeat("x", 1<<20)))
		}
	}
	checkError(t, "bytes of values", err, TooMany, tooManyGroups)
}
