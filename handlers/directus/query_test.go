package directus

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

const whole = `{"_id":"1","text":"hi","user":{"name":"ann","id":9},"n":3}`

// String is what a query asks for, with what it shows of a document and whether it matches.
func (q *itemsQuery) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d+%d", q.offset, q.limit)
	for _, t := range q.order {
		fmt.Fprintf(&b, " by %s", t.Field)
		if t.Descending {
			b.WriteString(" down")
		}
	}
	if q.total {
		b.WriteString(" total")
	}
	if q.filtered {
		b.WriteString(" filtered")
	}
	if !q.condition.Match([]byte(whole)) {
		return b.String() + " no"
	}
	return b.String() + " " + string(q.projection.Append(nil, []byte(whole)))
}

// TestQuery: query objects as the socket has them.
func TestQuery(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ query, want string }{
		{``, `0+100 ` + whole},
		{`null`, `0+100 ` + whole},
		{`{}`, `0+100 ` + whole},
		{`{"fields":null,"filter":null,"sort":"","limit":null,"unknown":5,"deep":{},"version":"x"}`, `0+100 ` + whole},
		{`{"fields":["id","text"]}`, `0+100 {"_id":"1","text":"hi"}`},
		{`{"fields":"text, id"}`, `0+100 {"_id":"1","text":"hi"}`},
		{`{"fields":["*"]}`, `0+100 ` + whole},
		{`{"fields":"*,user.name"}`, `0+100 ` + whole},
		{`{"fields":["user.name","n"]}`, `0+100 {"user":{"name":"ann"},"n":3}`},
		{`{"fields":["n",{"user":["name"]}]}`, `0+100 {"user":{"name":"ann"},"n":3}`},
		{`{"fields":["user.id"]}`, `0+100 {"user":{"id":9}}`},
		{`{"fields":[]}`, `0+100 ` + whole},
		{`{"filter":{"n":{"_gt":2}}}`, `0+100 ` + whole},
		{`{"filter":"{\"n\":{\"_gt\":3}}"}`, `0+100 no`},
		{`{"sort":["-date_created","id"]}`, `0+100 by _created down by _id ` + whole},
		{`{"sort":"-n,user.name"}`, `0+100 by n down by user.name ` + whole},
		{`{"limit":5,"offset":10}`, `10+5 ` + whole},
		{`{"limit":"5","page":"3"}`, `10+5 ` + whole},
		{`{"page":2}`, `100+100 ` + whole},
		{`{"page":1,"offset":7}`, `7+100 ` + whole},
		{`{"page":0,"offset":7}`, `7+100 ` + whole},
		{`{"page":"0"}`, `0+100 ` + whole},
		{`{"limit":-1,"page":3}`, `0+-1 ` + whole},
		{`{"limit":0}`, `0+0 ` + whole},
		{`{"limit":1000000000,"page":1000000000}`, `1000000000+1000000000 ` + whole},
		{`{"search":"HI"}`, `0+100 ` + whole},
		{`{"search":"hi","filter":{"n":4}}`, `0+100 no`},
		{`{"search":3}`, `0+100 ` + whole},
		{`{"search":"bye"}`, `0+100 no`},
		{`{"meta":"*"}`, `0+100 total filtered ` + whole},
		{`{"meta":["total_count"]}`, `0+100 total ` + whole},
		{`{"meta":"filter_count,else"}`, `0+100 filtered ` + whole},

		{`[]`, `bad_syntax: the query is an array: it must be a JSON object`},
		{`{"limit":-2}`, `bad_value: limit is -2: it must be a whole number from -1 to 1000000000`},
		{`{"limit":1.5}`, `bad_value: limit is 1.5: it must be a whole number from -1 to 1000000000`},
		{`{"limit":[1]}`, `bad_value: limit is [1]: it must be a whole number from -1 to 1000000000`},
		{`{"offset":-1}`, `bad_value: offset is -1: it must be a whole number from 0 to 1000000000`},
		{`{"page":-1}`, `bad_value: page is -1: it must be a whole number from 0 to 1000000000`},
		{`{"page":"1000000001"}`, `bad_value: page is "1000000001": it must be a whole number from 0 to 1000000000`},
		{`{"sort":5}`, `bad_value: sort is a number: it takes a list of names, or a string of them with commas`},
		{`{"sort":[5]}`, `bad_value: sort holds a number: it takes a list of names`},
		{`{"sort":"year(at)"}`, `bad_field: functions of fields such as "year(at)" are not supported: name a field`},
		{`{"sort":"` + strings.Repeat("a,", 101) + `"}`, `too_many: the order has 101 fields: at most 100 are allowed`},
		{`{"fields":5}`, `bad_value: fields holds a number: it takes a list of names, or a string of them with commas`},
		{`{"fields":[true]}`, `bad_value: fields holds true: it takes a list of names, or a string of them with commas`},
		{`{"fields":"a..b"}`, `bad_field: field "a..b" has an empty name in it: one dot goes between two names`},
		{`{"fields":` + strings.Repeat("[", 11) + strings.Repeat("]", 11) + `}`, `too_deep: conditions lie more than 10 deep: write them with fewer groups within groups`},
		{`{"meta":{"a":1}}`, `bad_value: meta is an object: it takes a list of names, or a string of them with commas`},
		{`{"aggregate":{},"groupBy":[]}`, `0+100 ` + whole},
		{`{"aggregate":5}`, `bad_syntax: aggregate is a number: it must be an object such as {"sum":"price"}, or a string that holds one`},
		{`{"aggregate":"count"}`, `bad_syntax: aggregate is not JSON: byte 1 is 'c', where a value was expected`},
		{`{"aggregate":{"median":"n"}}`, `unknown_operator: there is no function "median" in aggregate: there are avg avgDistinct count countAll countDistinct max min sum sumDistinct`},
		{`{"aggregate":{"sum":"*"}}`, `bad_field: aggregate sum cannot take *: name the fields`},
		{`{"aggregate":{"sum":5}}`, `bad_value: aggregate sum is a number: it takes a list of names, or a string of them with commas`},
		{`{"groupBy":"year(at)"}`, `bad_field: functions of fields such as "year(at)" are not supported: name a field`},
		{`{"groupBy":{"a":1}}`, `bad_value: groupBy is an object: it takes a list of names, or a string of them with commas`},
		{`{"aggregate":{"sum":"n"},"sort":"n"}`, `bad_field: the groups cannot be sorted by "n": sort by a field of groupBy, or a function and its field, such as sum.price`},
		{`{"deep":{"a":{"_limit":1}}}`, `unknown_operator: deep is not supported: leave it out of the query`},
		{`{"filter":{"a":{"_x":1}}}`, `unknown_operator: there is no operator "_x": there are ` + knownOperators},
	} {
		q, err := parseQuery(c.query, moment)
		if got := outcome(q, err); got != c.want {
			t.Errorf("%.100s\n got %s\nwant %s", c.query, got, c.want)
		}
	}
}

// TestURL: parameters as @directus/sdk writes them, and with brackets.
func TestURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ query, want string }{
		{``, `0+100 ` + whole},
		{`access_token=x&version=main`, `0+100 ` + whole},
		{`fields=id%2Ctext&filter=%7B%22n%22%3A%7B%22_gt%22%3A2%7D%7D&sort=-n%2Ctext&limit=5&page=2&search=hi&meta=*`, `5+5 by n down by text total filtered {"_id":"1","text":"hi"}`},
		{`fields[]=id&fields[]=user.name`, `0+100 {"_id":"1","user":{"name":"ann"}}`},
		{`fields[1]=id&fields[0]=n`, `0+100 {"_id":"1","n":3}`},
		{`fields=id&fields=n`, `0+100 {"_id":"1","n":3}`},
		{`sort[]=-n&sort[]=id`, `0+100 by n down by _id ` + whole},
		{`sort[10]=k&sort[2]=c&sort[1]=b&sort[0]=a`, `0+100 by a by b by c by k ` + whole},
		{`filter[n][_gt]=2&filter[text]=hi`, `0+100 ` + whole},
		{`filter[n][_gt]=3`, `0+100 no`},
		{`filter[user][name][_eq]=ann`, `0+100 ` + whole},
		{`filter[user][name][_eq]=bob`, `0+100 no`},
		{`filter[n][_in][]=2&filter[n][_in][]=3`, `0+100 ` + whole},
		{`filter[n][_in]=2,3`, `0+100 ` + whole},
		{`filter[n][_between][0]=4&filter[n][_between][1]=5`, `0+100 no`},
		{`filter[_or][0][n][_eq]=9&filter[_or][1][text][_eq]=hi`, `0+100 ` + whole},
		{`filter[gone][_null]`, `0+100 ` + whole},
		{`filter[text][_null]=`, `0+100 no`},
		{`filter[text][_null]=false`, `0+100 ` + whole},
		{`meta[]=total_count`, `0+100 total ` + whole},
		{`filter=` + url.QueryEscape(`{"_or":[{"n":3}`+strings.Repeat(`,{"text":{"_eq":"<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<"}}`, 99)+`]}`), `0+100 ` + whole},

		{`limit=5&limit=6`, `bad_value: limit is ["5","6"]: it must be a whole number from -1 to 1000000000`},
		{`filter=%7B%7D&filter[a]=1`, `bad_syntax: parameter filter[a] is given twice: as a value and with brackets`},
		{`filter[a]=1&filter[a][_eq]=1`, `bad_syntax: parameter filter[a][_eq] is given twice: as a value and with brackets`},
		{`filter[a][b]=1&filter[a]=1`, `bad_syntax: parameter filter[a][b] is given twice: as a value and with brackets`},
		{`filter[a=1`, `bad_syntax: the brackets of parameter filter[a do not fit: write filter[age][_gt]=3`},
		{`filter[a]b=1`, `bad_syntax: the brackets of parameter filter[a]b do not fit: write filter[age][_gt]=3`},
		{`filter[a]b[c]=1`, `bad_syntax: the brackets of parameter filter[a]b[c] do not fit: write filter[age][_gt]=3`},
		{`filter[a[b]]=1`, `bad_syntax: the brackets of parameter filter[a[b]] do not fit: write filter[age][_gt]=3`},
		{`filter` + strings.Repeat("[a]", 41) + `=1`, `bad_syntax: the brackets of parameter filter` + strings.Repeat("[a]", 24) + `[a do not fit: write filter[age][_gt]=3`},
		{`filter` + strings.Repeat("[a]", 20) + `=1`, `too_deep: conditions lie more than 10 deep: write them with fewer groups within groups`},
		{`filter=x`, `bad_syntax: the filter is not JSON: byte 1 is 'x', where a value was expected`},
		{`search=` + strings.Repeat("x", 16<<10), `too_long: the query has more than 16384 bytes: ask in several queries`},
	} {
		values, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		q, err := parseURL(values, moment)
		if got := outcome(q, err); got != c.want {
			t.Errorf("%.100s\n got %s\nwant %s", c.query, got, c.want)
		}
	}
}
