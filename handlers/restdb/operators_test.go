package restdb

import (
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"sluice/handlers/httperr"
	"sluice/store/documents"
)

// changed is a document's fields after a body of PATCH, as JSON, or why they are not.
func changed(doc, body string) (string, error) {
	own, _, err := documents.ParseFields([]byte(doc))
	if err != nil {
		return "", err
	}
	fields, _, err := documents.ParseFields([]byte(body))
	if err != nil {
		return "", err
	}
	all, err := takeOperators(&fields)
	if err != nil {
		return "", err
	}
	own.Merge(fields)
	if err := all.apply(&own); err != nil {
		return "", err
	}
	var members []string
	for _, name := range own.Names() {
		quoted, err := jsontext.AppendQuote(nil, name)
		if err != nil {
			return "", err
		}
		members = append(members, fmt.Sprintf("%s:%s", quoted, own.Get(name)))
	}
	return "{" + strings.Join(members, ",") + "}", nil
}

// TestOperators: a document, the operators, and the result.
func TestOperators(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ doc, body, want string }{
		{`{"a":1}`, `{}`, `{"a":1}`},
		{`{"a":1}`, `{"$inc":{}}`, `{"a":1}`},
		{`{"a":1}`, `{"$inc":{"a":2}}`, `{"a":3}`},
		{`{"a":1}`, `{"$inc":{"a":-2,"b":5}}`, `{"a":-1,"b":5}`},
		{`{"a":9007199254740993}`, `{"$inc":{"a":1}}`, `{"a":9007199254740994}`},
		{`{"a":9223372036854775806}`, `{"$inc":{"a":1}}`, `{"a":9223372036854775807}`},
		{`{"a":-9223372036854775807}`, `{"$inc":{"a":-1}}`, `{"a":-9223372036854775808}`},
		{`{"a":9223372036854775807}`, `{"$inc":{"a":-9223372036854775808}}`, `{"a":-1}`},
		{`{"a":-1}`, `{"$mul":{"a":-9223372036854775807}}`, `{"a":9223372036854775807}`},
		{`{"a":4611686018427387904}`, `{"$mul":{"a":-2}}`, `{"a":-9223372036854775808}`},
		{`{"a":1.5}`, `{"$inc":{"a":1}}`, `{"a":2.5}`},
		{`{"a":1}`, `{"$inc":{"a":1e2}}`, `{"a":101}`},
		{`{"a":6}`, `{"$mul":{"a":7,"b":7}}`, `{"a":42,"b":0}`},
		{`{"a":{"b":{"c":1}}}`, `{"$inc":{"a.b.c":1,"a.d":1,"x.y.z":1}}`, `{"a":{"b":{"c":2},"d":1},"x":{"y":{"z":1}}}`},
		{`{"a":[{"n":1},{"n":2}]}`, `{"$inc":{"a.1.n":1}}`, `{"a":[{"n":1},{"n":3}]}`},
		{`{"a.b":1,"a\"":2}`, `{"$set":{"a\"":3,"ü":4}}`, `{"a.b":1,"a\"":3,"ü":4}`},
		{`{"a":{"x\"y":1}}`, `{"$set":{"a.x\"y":2,"a.z\"":3}}`, `{"a":{"x\"y":2,"z\"":3}}`},
		{`{"a":1}`, `{"b":2,"$set":{"a":{"x":[1]},"c":null}}`, `{"a":{"x":[1]},"b":2,"c":null}`},
		{`{"a":1,"b":{"c":1,"d":2}}`, `{"$unset":{"a":"","b.c":1,"no.no":1,"b.no":1}}`, `{"b":{"d":2}}`},
		{`{"a":["2026-11-20T00:00:00.000Z",1]}`, `{"$pull":{"a":{"$date":"2026-11-20"}}}`, `{"a":[1]}`},
		{`{"a":[{"x":1,"y":1},{"x":2},3]}`, `{"$pull":{"a":{"$or":[{"y":1},{"x":{"$gt":5}}]}}}`, `{"a":[{"x":2},3]}`},
		{`{"a":[{"x":1,"y":1},{"x":2},3]}`, `{"$pull":{"a":{"x":{"$lt":5},"$nor":[{"y":1}]}}}`, `{"a":[{"x":1,"y":1},3]}`},
		{`{"a":[[1,5],[2]]}`, `{"$pull":{"a":{"$elemMatch":{"$gt":4}}}}`, `{"a":[[2]]}`},
		{`{"a":[{"k":[1]},{"k":[2]},{}]}`, `{"$pull":{"a":{"k.0":{"$gt":1}}}}`, `{"a":[{"k":[1]},{}]}`},
		{`{"a":[1,2,3]}`, `{"$unset":{"a.1":1}}`, `{"a":[1,null,3]}`},
		{`{"a":5,"b":5}`, `{"$min":{"a":3,"b":7,"c":1}}`, `{"a":3,"b":5,"c":1}`},
		{`{"a":5,"b":5}`, `{"$max":{"a":3,"b":7,"c":1}}`, `{"a":5,"b":7,"c":1}`},
		{`{"a":"2026-01-01"}`, `{"$max":{"a":"2026-02-01"}}`, `{"a":"2026-02-01"}`},
		{`{"a":1}`, `{"$rename":{"a":"b","no":"c"}}`, `{"b":1}`},
		{`{"a":{"x":1},"b":2}`, `{"$rename":{"a.x":"c.y.z","b":"a2"}}`, `{"a":{},"c":{"y":{"z":1}},"a2":2}`},
		{`{"a":[1]}`, `{"$push":{"a":2,"b":[3],"c.d":{"x":1}}}`, `{"a":[1,2],"b":[[3]],"c":{"d":[{"x":1}]}}`},
		{`{"a":[1]}`, `{"$push":{"a":{"$each":[2,3]},"b":{"$each":[]}}}`, `{"a":[1,2,3],"b":[]}`},
		{`{"a":[9007199254740993]}`, `{"$addToSet":{"a":{"$each":[9007199254740992,9007199254740993]}}}`, `{"a":[9007199254740993,9007199254740992]}`},
		{`{"a":[1,"1",{"x":1}]}`, `{"$addToSet":{"a":{"$each":[1.0,"1",{"x":1},{"x":2},"1",null,null]},"b":1}}`, `{"a":[1,"1",{"x":1},{"x":2},null],"b":[1]}`},
		{`{"a":[1,2,1],"b":1}`, `{"$pull":{"a":1,"no":1}}`, `{"a":[2],"b":1}`},
		{`{"a":[1,5,9,"x",[7]]}`, `{"$pull":{"a":{"$gte":5,"$lt":9}}}`, `{"a":[1,9,"x"]}`},
		{`{"a":["ab","b"]}`, `{"$pull":{"a":{"$regex":"^a"}}}`, `{"a":["b"]}`},
		{`{"a":[{"x":1,"y":1},{"x":2},1]}`, `{"$pull":{"a":{"x":1}}}`, `{"a":[{"x":2},1]}`},
		{`{"a":[{"x":1},{}]}`, `{"$pull":{"a":{}}}`, `{"a":[{"x":1}]}`},
		{`{"a":[1,2,3,2]}`, `{"$pullAll":{"a":[2,3,9]}}`, `{"a":[1]}`},
		{`{"a":[1,2],"b":[1,2],"c":[]}`, `{"$pop":{"a":1,"b":-1,"c":1,"d":1}}`, `{"a":[1],"b":[2],"c":[]}`},
	} {
		if got, err := changed(c.doc, c.body); got != c.want {
			t.Errorf("%s %s\n got %s %v\nwant %s", c.doc, c.body, got, err, c.want)
		}
	}
	for _, c := range []struct{ doc, body string }{
		{`{"a":-3}`, `{"$mul":{"a":4611686018427387904}}`}, // its digits fit 64 bits, without a sign
		{`{"a":4611686018427387904}`, `{"$mul":{"a":2}}`},
		{`{"a":-9223372036854775808}`, `{"$inc":{"a":-1}}`},
		{`{"a":[1]}`, `{"$set":{"a.1":2}}`},
		{`{"a":[1]}`, `{"$set":{"a.-1":2}}`},
	} {
		if got, err := changed(c.doc, c.body); err == nil {
			t.Errorf("%s %s: %s", c.doc, c.body, got)
		}
	}
	if got, err := changed(`{}`, `{"$currentDate":{"at":true}}`); err != nil || len(got) != len(`{"at":"2026-11-20T13:22:01.130Z"}`) {
		t.Error(got, err)
	}
}

// TestIntegersStayExact: sums and products are those of whole numbers, or refused.
func TestIntegersStayExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		for op, want := range map[string]*big.Int{
			"$inc": new(big.Int).Add(big.NewInt(a), big.NewInt(b)),
			"$mul": new(big.Int).Mul(big.NewInt(a), big.NewInt(b)),
		} {
			got, err := changed(fmt.Sprintf(`{"n":%d}`, a), fmt.Sprintf(`{"%s":{"n":%d}}`, op, b))
			if want.IsInt64() != (err == nil) || err == nil && got != fmt.Sprintf(`{"n":%d}`, want) {
				t.Fatalf("%d %s %d: %s %v", a, op, b, got, err)
			}
		}
	})
}

// FuzzOperators: whatever a change says, it is refused with what to do instead or leaves valid JSON without a field
// twice.
func FuzzOperators(f *testing.F) {
	for _, body := range []string{
		`{"$inc":{"a":1,"o.n":1.5,"x.y.z":-1},"b":2}`, `{"$push":{"list":{"$each":[1,2]}},"$pull":{"o.l":{"$gt":1}}}`,
		`{"$rename":{"a":"o.q","list.0":"z"},"$unset":{"o.n":1}}`, `{"$set":{"list.0.k":"\u0000","o.é\"":[{}]}}`,
		`{"$addToSet":{"list":1e400},"$min":{"a":-0},"$max":{"o":null}}`, `{"$pullAll":{"list":[{"k":1}]},"$pop":{"o.l":-1}}`,
		`{"$currentDate":{"t":1},"$mul":{"a":9223372036854775807}}`, `{"$inc":{"a":1},"$set":{"a.b":1}}`,
	} {
		f.Add(`{"a":7,"list":[{"k":1},2],"o":{"n":0.1,"l":[1,2,3]}}`, body)
	}
	f.Fuzz(func(t *testing.T, doc, body string) {
		got, err := changed(doc, body)
		var e *httperr.Error
		switch {
		case errors.Is(err, documents.ErrShape): // no bodies
		case err != nil && (!errors.As(err, &e) || e.Status != http.StatusBadRequest || e.Message == ""):
			t.Fatalf("%s %s: %v", doc, body, err)
		case err == nil && !jsontext.Value(got).IsValid(jsontext.AllowDuplicateNames(false)):
			t.Fatalf("%s %s: %s", doc, body, got)
		}
	})
}

// FuzzValues: a query is read or refused, and what is encoded comes back.
func FuzzValues(f *testing.F) {
	for _, s := range []string{`q={"a":"b+c%22"}&h=%zz`, `q=%7B%7D&x`, `&&=&q=%`, `q={%`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		values, err := readValues(raw)
		if err != nil {
			return
		}
		again, err := readValues(values.Encode())
		if err != nil || again.Encode() != values.Encode() {
			t.Fatalf("%q: %v, %v, %v", raw, values, again, err)
		}
	})
}

// TestPullWork: others wait for the document while a condition is asked of its elements.
func TestPullWork(t *testing.T) {
	t.Parallel()
	list := `{"l":["` + strings.Repeat("x", 20_000) + `"]}`
	for body, want := range map[string]string{
		`{"$pull":{"l":{"$regex":"^[a-z]+@example\\.com$"}}}`: list,
		`{"$pull":{"l":{"$gte":"x","$lt":"y"}}}`:              `{"l":[]}`,
		`{"$pull":{"l":{"$regex":"[x-z]{0,150}y"}}}`:          "$pull of \"l\" would search a list of 20004 bytes, which is too much work for this condition: write it with fewer parts and repetitions",
	} {
		got, err := changed(list, body)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %.200s", body, got)
		}
	}
}

// Each operator goes through its field, so that together they are bounded. A few of a long list are not too many.
func TestOperatorsWork(t *testing.T) {
	t.Parallel()
	deep := `{"a":{"b":{"c":{"d":{"l":[0` + strings.Repeat(",0", 30_000) + `]}}}}}`
	for n, code := range map[int]string{5: "", 100: "bad_update"} {
		var sets []string
		for i := range n {
			sets = append(sets, fmt.Sprintf(`"a.b.c.d.l.%d":1`, i))
		}
		got, err := changed(deep, `{"$set":{`+strings.Join(sets, ",")+`}}`)
		var refused *httperr.Error
		switch {
		case code == "" && (err != nil || !strings.Contains(got, `"l":[1,1,1,1,1,0,`)):
			t.Errorf("%d: %.80s %v", n, got, err)
		case code != "" && (!errors.As(err, &refused) || refused.Code != code):
			t.Errorf("%d: %v, not %s", n, err, code)
		}
	}
}
