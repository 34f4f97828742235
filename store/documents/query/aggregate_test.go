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
	five := []Aggregate{{Func: Count}, {Func: Sum, Field: field("n")}, {Func: Avg, Field: field("n")}, {Func: Min, Field: field("n")}, {Func: Max, Field: field("d")}, {Func: Count, Field: field("n")}}
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
			clear(own) // the next document reuses the memory
		}
		if got := a.Groups(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestAggregateDocuments: the first document with the least or greatest value. The memory of these documents is
// bounded.
func TestAggregateDocuments(t *testing.T) {
	t.Parallel()
	a, err := NewAggregation([]Field{field("c")}, []Aggregate{{Func: MinDocument, Field: field("n")}, {Func: MaxDocument, Field: field("n")}})
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

// TestAggregateBySQL: distinct values, moments, large numbers, and the sum of nothing.
func TestAggregateBySQL(t *testing.T) {
	t.Parallel()
	docs := []string{
		`{"n":2,"at":"2026-11-29T20:00:00+09:00"}`, `{"n":2.0,"at":"2026-11-29T11:00:00Z"}`, `{"n":5,"at":"2026-11-29T10:30:00-01:00"}`, `{"n":"x","at":null}`,
	}
	n, at := field("n"), field("at")
	of := []Aggregate{
		{Func: Count, Field: n, Distinct: true}, {Func: Sum, Field: n, Distinct: true}, {Func: Avg, Field: n, Distinct: true}, {Func: Count, Field: at, Distinct: true},
		{Func: Min, Field: at}, {Func: Max, Field: at}, {Func: Sum, Field: at},
	}
	for i := range of {
		of[i].Rules = SQL
	}
	a, err := NewAggregation(nil, of)
	if err != nil {
		t.Fatal(err)
	}
	by, err := NewAggregation([]Field{at}, []Aggregate{{Func: Count}})
	if err != nil {
		t.Fatal(err)
	}
	by.Rules = SQL
	for _, doc := range docs {
		if a.Add([]byte(doc)) != nil || by.Add([]byte(doc)) != nil {
			t.Fatal(doc)
		}
	}
	if got, want := a.Groups(), []Group{{nil, []string{"3", "7", "3.5", "2", `"2026-11-29T20:00:00+09:00"`, `"2026-11-29T10:30:00-01:00"`, "null"}}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if got, want := by.Groups(), []Group{{[]string{"null"}, []string{"1"}}, {[]string{`"2026-11-29T20:00:00+09:00"`}, []string{"2"}}, {[]string{`"2026-11-29T10:30:00-01:00"`}, []string{"1"}}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	for _, c := range [][3]string{
		{`9007199254740993`, `1`, "9007199254740994"}, {`9223372036854775807`, `1`, "9223372036854776000"}, {`-9223372036854775808`, `-1`, "-9223372036854776000"}, {`1`, `0.5`, "1.5"}, {`1`, `0`, "1"},
	} {
		a, _ := NewAggregation(nil, []Aggregate{{Func: Sum, Field: n}})
		for _, text := range c[:2] {
			if err := a.Add([]byte(`{"n":` + text + `}`)); err != nil {
				t.Fatal(err)
			}
		}
		if got := a.Groups()[0].Values[0]; got != c[2] {
			t.Errorf("%s and %s are %s, want %s", c[0], c[1], got, c[2])
		}
	}
	a, _ = NewAggregation(nil, []Aggregate{{Func: Count, Field: n, Distinct: true}})
	for i := 0; err == nil && i < 100; i++ {
		err = a.Add(fmt.Appendf(nil, `{"n":"%d%s"}`, i, strings.Repeat("x", 1<<20)))
	}
	checkError(t, "bytes of distinct values", err, TooMany, tooManyGroups)
}

func TestAggregateBounds(t *testing.T) {
	t.Parallel()
	_, err := NewAggregation(nil, []Aggregate{{Func: Sum}})
	checkError(t, "no field", err, BadField, "an aggregate names no field")
	_, err = NewAggregation(make([]Field, 50), make([]Aggregate, 51))
	checkError(t, "fields", err, TooMany, "the aggregate has 101 fields: at most 100 are allowed")

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

	a, _ = NewAggregation(nil, []Aggregate{{Func: Max, Field: field("a")}, {Func: Max, Field: field("b")}, {Func: Max, Field: field("c")}, {Func: Max, Field: field("d")}, {Func: Max, Field: field("e")}, {Func: Max, Field: field("f")}, {Func: Max, Field: field("g")}, {Func: Max, Field: field("h")}, {Func: Max, Field: field("i")}})
	err = nil
	for _, f := range "abcdefghi" {
		if err == nil {
			err = a.Add(fmt.Appendf(nil, `{"%c":"%s"}`, f, strings.Repeat("x", 1<<20)))
		}
	}
	checkError(t, "bytes of values", err, TooMany, tooManyGroups)
}
