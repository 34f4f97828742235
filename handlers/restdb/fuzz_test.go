package restdb

import (
	"errors"
	"net/url"
	"testing"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// FuzzSelection: whatever is sent is refused with a reason or works on a document without panic.
func FuzzSelection(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"$or":[{"a":{"$gt":1,"$lte":"x"}},{"$nor":[{"b.c":{"$in":[null,[1],{}]}}]}]}`, `{"$max":5,"$orderby":{"a":-1}}`},
		{`{"a":{"$not":{"$regex":"^a|b","$options":"i"}},"t":{"$bt":[{"$date":"2026-11-20"},3]}}`, `{"$fields":["a","b.c"]}`},
		{`{"\u0000":{"$exists":1},"a":{"$nin":[]}}`, `{"$groupby":["a"],"$aggregate":["SUM:b","COUNT:"]}`},
		{`{"a":{"$date":"x"}}`, `{"$fields":{"a":0}}`},
		{`{"a.0":{"$elemMatch":{"b.1":{"$not":{"$elemMatch":{"$gt":{"$date":"$currentYear"}}}}}},"b.0.0":null}`, `{"$orderby":"a.1,b","$aggregate":["MAX:a.2.b"]}`},
		{`{`, `[]`}, {``, ``}, {`{"a":-0,"b":1e999}`, `{"$skip":"1"}`},
	} {
		f.Add(seed[0], seed[1], `{"_id":"1","a":[1,"ab",{"b":2}],"b":{"c":null},"t":"2026-11-20T00:00:00.000Z"}`)
	}
	f.Fuzz(func(t *testing.T, q, h, doc string) {
		s, err := parseSelection(url.Values{"q": {q}, "h": {h}, "filter": {"x"}})
		var e *query.Error
		if err != nil && (!errors.As(err, &e) || e.Reason == "" || e.Text == "") {
			t.Fatalf("%q %q: %v", q, h, err)
		}
		if err != nil || !gjson.Valid(doc) || doc[0] != '{' || doc[len(doc)-1] != '}' {
			return
		}
		s.condition.Match([]byte(doc))
		if shown := s.projection.Append(nil, []byte(doc)); !gjson.ValidBytes(shown) {
			t.Fatalf("%q shows %s of %s", h, shown, doc)
		}
		a, err := query.NewAggregation(s.groupBy, s.aggregates)
		if err == nil {
			err = a.Add([]byte(doc))
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}
