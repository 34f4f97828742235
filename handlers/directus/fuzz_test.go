package directus

import (
	"errors"
	"net/url"
	"testing"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// try asks a parsed query of a document; a refusal must be one of ours.
func try(t *testing.T, q *itemsQuery, err error, doc string) {
	t.Helper()
	var e *query.Error
	if err != nil {
		if !errors.As(err, &e) || e.Reason == "" || e.Text == "" {
			t.Fatal(err)
		}
		return
	}
	if !gjson.Valid(doc) || doc[0] != '{' || doc[len(doc)-1] != '}' {
		return
	}
	q.condition.Match([]byte(doc))
	q.order.AppendKey(nil, []byte(doc))
	if shown := q.projection.Append(nil, []byte(doc)); !gjson.ValidBytes(shown) {
		t.Fatalf("shows %s of %s", shown, doc)
	}
}

const anyDocument = `{"_id":"1","a":[1,"ab",{"b":2}],"user":{"name":null},"_created":"2026-11-20T00:00:00.000Z"}`

// FuzzQuery: whatever a query object is, it is refused with a reason or works on a document without panic.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		`{"filter":{"_or":[{"a":{"_in":[1,null,{}]}},{"user":{"name":{"_null":true}}}]},"fields":["id",{"user":["name"]}],"sort":"-id","limit":"5","page":2}`,
		`{"filter":"{\"a\":{\"_nbetween\":\"1,2\"}}","meta":["*"],"search":"x"}`,
		`{"filter":{"date_created":{"_gt":"$NOW(-1 day)"}}}`, `{"filter":{"\u0000":{"_icontains":5}},"fields":"*,a.b"}`, `[]`, `{`, ``,
	} {
		f.Add(seed, anyDocument)
	}
	f.Fuzz(func(t *testing.T, text, doc string) {
		q, err := parseQuery(text, moment)
		try(t, q, err, doc)
	})
}

// FuzzURL is the same for parameters.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		`fields=id,user.name&filter={"a":{"_eq":1}}&sort=-a&limit=-1`, `filter[a][_in][]=1&filter[_or][1][a]=2&filter[_or][0][b][_null]`,
		`fields[]=a&fields[7]=b&fields[x]=c`, `filter[]=1&filter[][]=2`, `limit[a]=1&meta[0]=*`, `filter[a`, ``,
	} {
		f.Add(seed, anyDocument)
	}
	f.Fuzz(func(t *testing.T, text, doc string) {
		values, _ := url.ParseQuery(text)
		q, err := parseURL(values, moment)
		try(t, q, err, doc)
	})
}
