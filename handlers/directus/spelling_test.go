package directus

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

// levels is how deep a drawn filter lies; it stays below query.MaxText in every spelling.
const levels = 3

// anyFilter draws a filter as JSON whose values are strings, and puts the same into a URL's parameters under key.
func anyFilter(t *rapid.T, values url.Values, key string, depth int) string {
	text := rapid.StringOfN(rapid.RuneFrom([]rune{'a', '5', '.', '"', '[', ']', '&', '\\', 'ß'}), 0, 4, -1)
	if depth > 0 && rapid.Bool().Draw(t, "group") {
		op := rapid.SampledFrom([]string{"_and", "_or"}).Draw(t, "op")
		most := 2
		if depth == levels {
			most = 12 // more than ten, so that numbers do not sort as their texts
		}
		kids := make([]string, rapid.IntRange(1, most).Draw(t, "count"))
		for i := range kids {
			kids[i] = anyFilter(t, values, key+"["+op+"]["+strconv.Itoa(i)+"]", depth-1)
		}
		return `{"` + op + `":[` + strings.Join(kids, ",") + `]}`
	}
	field := rapid.SampledFrom([]string{"a", "id", "user.name", "#"}).Draw(t, "field")
	if depth > 0 && rapid.Bool().Draw(t, "below") {
		return `{"` + field + `":` + anyFilter(t, values, key+"["+field+"]", depth-1) + `}`
	}
	op := rapid.SampledFrom([]string{"_eq", "_gte", "_contains", "_in", "_between"}).Draw(t, "op")
	key += "[" + field + "][" + op + "]"
	if op != "_in" && op != "_between" {
		v := text.Draw(t, "value")
		values.Set(key, v)
		return `{"` + field + `":{"` + op + `":` + quote(v) + `}}`
	}
	list := rapid.SliceOfN(text, 2, 2).Draw(t, "values")
	for i, v := range list {
		values.Add(key+"[]", v)
		list[i] = quote(v)
	}
	return `{"` + field + `":{"` + op + `":[` + strings.Join(list, ",") + `]}}`
}

func quote(s string) string { return string(gjson.AppendJSONString(nil, s)) }

// TestSpellingsAgree: an object, a string that holds it and brackets are one filter.
func TestSpellingsAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := url.Values{}
		text := anyFilter(t, values, "filter", levels)
		want := outcome(readFilter(gjson.Parse(text), moment))
		for name, params := range map[string]url.Values{"string": {"filter": {text}}, "brackets": values} {
			v, err := objectOf(params)
			if err != nil {
				t.Fatal(err)
			}
			if got := outcome(readFilter(v.Get("filter"), moment)); got != want {
				t.Fatalf("%s\nas %s: %s\nas an object: %s", text, name, got, want)
			}
		}
	})
}
