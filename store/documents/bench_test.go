package documents_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidwall/gjson"

	"sluice/store/documents"
	"sluice/store/documents/query"
)

// filled is a store with n documents of about 300 bytes, on a real disk.
func filled(b *testing.B, n int, o documents.Options) *documents.Store {
	b.Helper()
	if o.MaxResult == 0 {
		o.MaxResult = 64 << 20 // it is given back a moment after cancel
	}
	s, log := openIn(b, b.TempDir(), o)
	b.Cleanup(func() { closeLog(b, log) })
	var docs []documents.New
	for i := range n {
		docs = append(docs, documents.New{ID: fmt.Sprintf("%024x", i), Fields: fields(b, fmt.Sprintf(
			`{"name":"customer %d","age":%d,"city":"city %d","tags":["a","b"],"text":"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor"}`, i, i%100, i%1000))})
		if len(docs) == 1000 || i == n-1 {
			ctx, cancel := context.WithCancel(b.Context())
			if _, err := s.Insert(ctx, "c", "ann", docs); err != nil {
				b.Fatal(err)
			}
			cancel() // gives back the memory of the answer
			docs = docs[:0]
		}
	}
	return s
}

func where(b *testing.B, op query.Op, name, value string) *query.Condition {
	f, err := query.ParseField(name)
	if err != nil {
		b.Fatal(err)
	}
	c, err := query.Compile(query.Node{Op: op, Field: f, Rules: query.SQL, Values: []gjson.Result{gjson.Parse(value)}})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func order(name string) query.Order {
	f, _ := query.ParseField(name)
	return query.Order{{Field: f, Descending: true}}
}

func BenchmarkFind(b *testing.B) {
	const n = 100_000
	plain := filled(b, n, documents.Options{})
	indexed := filled(b, n, documents.Options{Indexes: map[string][]string{"c": {"city", "age"}}})
	for _, bench := range []struct {
		name  string
		store *documents.Store
		q     documents.Query
	}{
		{"scan, one city of 1,000", plain, documents.Query{Where: where(b, query.Eq, "city", `"city 7"`), Limit: 100}},
		{"scan, sorted, the first 25", plain, documents.Query{Where: where(b, query.Gte, "age", "50"), Order: order("name"), Limit: 25}},
		{"scan, the latest 100 of one city", plain, documents.Query{Where: where(b, query.Eq, "city", `"city 7"`), Order: order("_created"), Limit: 100}},
		{"scan, the latest 100 of all", plain, documents.Query{Order: order("_created"), Limit: 100}},
		{"the first 25 by id", plain, documents.Query{Limit: 25}},
		{"index, one city of 1,000", indexed, documents.Query{Where: where(b, query.Eq, "city", `"city 7"`), Limit: 100}},
		{"index, one city of 1,000, sorted", indexed, documents.Query{Where: where(b, query.Eq, "city", `"city 7"`), Order: order("name"), Limit: 100}},
		{"index, the latest one", indexed, documents.Query{Order: order("age"), Limit: 1}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bench.store.Find(context.Background(), "c", &bench.q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i += 7919 {
			if _, err := plain.Get(context.Background(), "c", fmt.Sprintf("%024x", i%n)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkInsert(b *testing.B) {
	for _, indexes := range [][]string{nil, {"n", "s"}} {
		b.Run(fmt.Sprint(len(indexes), " indexes"), func(b *testing.B) {
			s, log := openIn(b, b.TempDir(), documents.Options{Indexes: map[string][]string{"c": indexes}})
			defer closeLog(b, log)
			f := fields(b, `{"n":1,"s":"text"}`)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.Insert(context.Background(), "c", "ann", []documents.New{{Fields: f}}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkUpdate(b *testing.B) {
	s, log := open(b, vfs.NewMem(), documents.Options{})
	defer closeLog(b, log)
	insert(b, s, "c", "n", `{"n":0}`)
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Update(context.Background(), "c", "ben", []string{"n"}, false, func(_ string, f *documents.Fields) error {
			f.Set("n", []byte("1"))
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
