package directus

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

var moment = time.Date(2026, 3, 31, 12, 0, 0, 5e6, time.UTC)

// outcome is what came of parsing as one text.
func outcome(got fmt.Stringer, err error) string {
	var e *query.Error
	switch {
	case errors.As(err, &e):
		return string(e.Reason) + ": " + e.Text
	case err != nil:
		return "an error that is not the client's: " + err.Error()
	}
	return got.String()
}

const knownOperators = `_and _or _between _contains _empty _ends_with _eq _gt _gte _icontains _iends_with _ieq _in _istarts_with _lt _lte _nbetween _ncontains _nempty _nends_with _neq _nicontains _niends_with _nieq _nin _nistarts_with _nnull _nstarts_with _null _starts_with`

// TestFilter: filters as they are sent, and the condition or the exact refusal that comes of them.
func TestFilter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ filter, want string }{
		{`{}`, `and()`},
		{``, `and()`},
		{`{"user":{"_eq":"Ben"}}`, `user eq "Ben"`},
		{`{"user":"Ben"}`, `user eq "Ben"`},
		{`{"a":5,"b":true}`, `and(a eq 5; b eq true)`},
		{`{"a":null}`, `a null`},
		{`{"a":{"_eq":null},"b":{"_neq":null},"c":{"_eq":"null"}}`, `and(a null; b !null; c null)`},
		{`{"a":{"_neq":1},"b":{"_lt":2},"c":{"_lte":3},"d":{"_gt":4},"e":{"_gte":5}}`, `and(a !eq 1; b lt 2; c lte 3; d gt 4; e gte 5)`},
		{`{"a":{"_in":[1,"x"]},"b":{"_nin":"1,x"}}`, `and(a in 1 "x"; b !in "1" "x")`},
		{`{"a":{"_in":[]}}`, `a in`},
		{`{"a":{"_in":5},"b":{"_nin":true},"c":{"_in":null}}`, `and(a in 5; b !in true; c in)`},
		{`{"a":{"_in":{"0":"x","1":5}},"b":{"_between":{"0":1,"1":2}}}`, `and(a in "x" 5; b between 1 2)`},
		{`{"a":{"_ieq":"X"},"b":{"_nieq":"x"},"c":{"_ieq":5},"d":{"_nieq":null}}`, `and(a eq~ "X"; b !eq~ "x"; c eq 5; d !null)`},
		{`{"_or":[]}`, `and()`},
		{`{"a":1,"_or":[]}`, `and(a eq 1; and())`},
		{`{"a":{"_or":[]}}`, `and()`},
		{`{"_or":[{"_or":[]},{"a":1}]}`, `or(a eq 1)`},
		{`{"_or":[{"_or":[]},{"_and":[]}]}`, `and()`},
		{`{"_or":[{},{"a":1}]}`, `or(and(); a eq 1)`},
		{`{"date_created":{"_lt":"2026-11-29T20:00:00+09:00","_gte":"2026-11-29"}}`, `and(_created lt "2026-11-29T11:00:00.000Z"; _created gte "2026-11-29T00:00:00.000Z")`},
		{`{"date_created":{"_in":[1795950000000,"1795950000000","2026","2026-11"],"_between":"2026-11-29T11:00,2026-11-29 11:00:00.5+00"}}`, `and(_created in "2026-11-29T11:00:00.000Z" "2026-11-29T11:00:00.000Z" "2026-01-01T00:00:00.000Z" "2026-11-01T00:00:00.000Z"; _created between "2026-11-29T11:00:00.000Z" "2026-11-29T11:00:00.500Z")`},
		{`{"date_created":{"_lt":"2026-11-29T11:00:00.0001Z","_lte":"2026-11-29T11:00:00.0001Z","_gt":"2026-11-29T11:00:00.0001Z","_gte":"2026-11-29T11:00:00.0001Z","_eq":"2026-11-29T11:00:00.0001Z"}}`, `and(_created lt "2026-11-29T11:00:00.001Z"; _created lte "2026-11-29T11:00:00.000Z"; _created gt "2026-11-29T11:00:00.000Z"; _created gte "2026-11-29T11:00:00.001Z"; _created eq "2026-11-29T11:00:00.0001Z")`},
		{`{"date_created":{"_nbetween":["2026-11-29T11:00:00.0001Z","2026-11-29T11:00:00.0009Z"],"_contains":"2026","_neq":null,"_null":true}}`, `and(_created !between "2026-11-29T11:00:00.001Z" "2026-11-29T11:00:00.000Z"; _created contains "2026"; _created !null; _created null)`},
		{`{"a":{"_between":[1,9]},"b":{"_nbetween":"1,9"}}`, `and(a between 1 9; b !between "1" "9")`},
		{`{"a":{"_null":true},"b":{"_null":false},"c":{"_nnull":""},"d":{"_nnull":"false"}}`, `and(a null; b !null; c !null; d null)`},
		{`{"a":{"_empty":true},"b":{"_nempty":true},"c":{"_nempty":false}}`, `and(a empty; b !empty; c empty)`},
		{`{"a":{"_contains":"x"},"b":{"_ncontains":"x"},"c":{"_icontains":"x"},"d":{"_nicontains":5}}`, `and(a contains "x"; b !contains "x"; c contains~ "x"; d !contains~ "5")`},
		{`{"a":{"_starts_with":"x"},"b":{"_nstarts_with":"x"},"c":{"_istarts_with":"x"},"d":{"_nistarts_with":"x"}}`, `and(a starts "x"; b !starts "x"; c starts~ "x"; d !starts~ "x")`},
		{`{"a":{"_ends_with":"x"},"b":{"_nends_with":"x"},"c":{"_iends_with":"x"},"d":{"_niends_with":"x"}}`, `and(a ends "x"; b !ends "x"; c ends~ "x"; d !ends~ "x")`},
		{`{"a":{"_gt":1,"_lt":9}}`, `and(a gt 1; a lt 9)`},
		{`{"_and":[{"a":1},{"_or":[{"b":2},{"c":{"_null":true}}]}]}`, `and(a eq 1; or(b eq 2; c null))`},
		{`{"user":{"name":{"_eq":"x"},"at":{"city":"y"}}}`, `and(user.name eq "x"; user.at.city eq "y")`},
		{`{"user":{"_or":[{"name":"x"},{"id":3}]}}`, `or(user.name eq "x"; user.id eq 3)`},
		{`{"user.name":"x"}`, `user.name eq "x"`},
		{`{"id":{"_in":[7,"8"]}}`, `_id in "7" "8"`},
		{`{"id":7}`, `_id eq "7"`},
		{`{"#":1,"a*":2}`, `and(# eq 1; a* eq 2)`},
		{`{"date_created":{"_gt":"$NOW(-1 day)","_lte":"$NOW"}}`, `and(_created gt "2026-03-30T12:00:00.005Z"; _created lte "2026-03-31T12:00:00.005Z")`},
		{`{"a":{"_between":["$NOW(-1 month)","$NOW(+2 hours)"]}}`, `a between "2026-02-28T12:00:00.005Z" "2026-03-31T14:00:00.005Z"`},
		{`{"a":{"_in":["$NOW()","$NOW(1)","$NOW(-2w)","$NOW(3 MINUTES)","$NOW(-4s)","$NOW(5ms)","$NOW(-1 year)"]}}`, `a in "2026-03-31T12:00:00.005Z" "2026-04-01T12:00:00.005Z" "2026-03-17T12:00:00.005Z" "2026-03-31T12:03:00.005Z" "2026-03-31T11:59:56.005Z" "2026-03-31T12:00:00.010Z" "2025-03-31T12:00:00.005Z"`},
		{`{"a":{"_eq":"$100"}}`, `a eq "$100"`},

		{`{`, `bad_syntax: the filter is not JSON: it ends at byte 1, where a name in double quotes, or } was expected`},
		{`[]`, `bad_syntax: the filter is an array: it must be a JSON object`},
		{`{"a":{"_like":"x"}}`, `unknown_operator: there is no operator "_like": there are ` + knownOperators},
		{`{"_created":{"_gt":1}}`, `unknown_operator: there is no operator "_created": there are ` + knownOperators},
		{`{"_eq":1}`, `bad_syntax: _eq needs a field: write {"name":{"_eq":…}}`},
		{`{"a":[1]}`, `bad_value: field a is compared with an array: write {"a":{"_in":[…]}}`},
		{`{"date_created":{"_gt":"yesterday"}}`, `bad_value: date_created is compared with "yesterday": give a time such as "2026-11-29T20:00:00+09:00", or milliseconds since 1970`},
		{`{"date_created":{"_in":[1,true]}}`, `bad_value: date_created is compared with true: give a time such as "2026-11-29T20:00:00+09:00", or milliseconds since 1970`},
		{`{"date_created":{"_lt":1e300}}`, `bad_value: date_created is compared with 1e300: give a time such as "2026-11-29T20:00:00+09:00", or milliseconds since 1970`},
		{`{"a":{"_between":5}}`, `bad_value: _between of a takes a list of two values, the lowest and the highest`},
		{`{"a":{"_between":[1]}}`, `bad_value: _between of a takes a list of two values, the lowest and the highest`},
		{`{"a":{"_contains":true}}`, `bad_value: the condition on a takes a string, not true`},
		{`{"_or":{"a":1}}`, `bad_value: _or takes a list of filters, such as [{"status":{"_eq":"new"}}]`},
		{`{"_and":[1]}`, `bad_value: _and holds a number: it takes a list of objects`},
		{`{"year(at)":{"_eq":2026}}`, `bad_field: functions of fields such as "year(at)" are not supported: name a field`},
		{`{"":1}`, `bad_field: the name of a field is empty: give one such as name or user.name`},
		{`{"a":{"_eq":"$CURRENT_USER"}}`, `bad_value: there is no variable "$CURRENT_USER": there is $NOW, as in $NOW(-1 day)`},
		{`{"a":{"_gt":"$NOW(-1 fortnight)"}}`, `bad_value: "$NOW(-1 fortnight)" is not a time: write $NOW, $NOW(-1 day) or $NOW(+2 hours)`},
		{`{"a":{"_gt":"$NOW(999999 years)"}}`, `bad_value: "$NOW(999999 years)" is not a time: write $NOW, $NOW(-1 day) or $NOW(+2 hours)`},
		{`{"a":{"_gt":"$NOWADAYS"}}`, `bad_value: "$NOWADAYS" is not a time: write $NOW, $NOW(-1 day) or $NOW(+2 hours)`},
		{`{"a":{"_in":["$NOW(x)"]}}`, `bad_value: "$NOW(x)" is not a time: write $NOW, $NOW(-1 day) or $NOW(+2 hours)`},
		{nested(query.MaxDepth), `and(and(and(and(and(and(and(and(and(a eq 1)))))))))`},
		{nested(query.MaxDepth + 1), `too_deep: conditions lie more than 10 deep: write them with fewer groups within groups`},
		{strings.Repeat(`{"a":`, 2000) + `1` + strings.Repeat(`}`, 2000), `too_deep: conditions lie more than 10 deep: write them with fewer groups within groups`},
		{`{"_or":[{"a":1}` + strings.Repeat(`,{"a":1}`, query.MaxConditions) + `]}`, `too_many: there are more than 100 conditions: ask in several queries, or for a list of values`},
		{`{"a":{"_in":"` + strings.Repeat(",", query.MaxList) + `"}}`, `too_many: the list for a has 1001 values: at most 1000 are allowed, ask in several queries`},
		{`{"a":"` + strings.Repeat("x", query.MaxText) + `"}`, `too_long: the filter has 16392 bytes: at most 16384 are allowed, ask in several queries`},
	} {
		n, err := readFilter(query.String(c.filter), moment)
		if err == nil {
			_, err = query.Compile(n)
		}
		if got := outcome(n, err); got != c.want {
			t.Errorf("%.100s\n got %s\nwant %s", c.filter, got, c.want)
		}
	}
	_, err := readFilter(gjson.Parse(`5`), moment)
	if got := outcome(nil, err); got != `bad_syntax: the filter is a number: it must be an object, or a string that holds one` {
		t.Error(got)
	}
}

func readFilter(v gjson.Result, at time.Time) (query.Node, error) {
	f := &filterReader{now: at}
	return f.read(v)
}

// nested is a filter that lies so deep.
func nested(depth int) string {
	return strings.Repeat(`{"_and":[`, depth-1) + `{"a":1}` + strings.Repeat(`]}`, depth-1)
}

// TestFilterMatches: as SQL has it, with values as URLs have them.
func TestFilterMatches(t *testing.T) {
	t.Parallel()
	doc := []byte(`{"_id":"7","age":39,"name":"Ann","done":true,"user":{"name":"ann"},"_created":"2026-03-31T11:00:00.000Z","at":"2026-03-31T13:00:00+02:00","tags":["y","x"],"b":9007199254740993}`)
	for filter, want := range map[string]bool{
		`{"id":7,"age":"39","done":"true"}`:                    true,
		`{"age":{"_between":"30,40"}}`:                         true,
		`{"gone":{"_neq":1}}`:                                  false,
		`{"gone":{"_nin":[1]}}`:                                false,
		`{"gone":{"_ncontains":"x"}}`:                          false,
		`{"gone":{"_null":true}}`:                              true,
		`{"name":{"_contains":"nn"}}`:                          true,
		`{"user":{"name":{"_icontains":"ANN"}}}`:               true,
		`{"date_created":{"_gt":"$NOW(-2 hours)"}}`:            true,
		`{"date_created":{"_gt":"$NOW(-10 minutes)"}}`:         false,
		`{"_or":[{"age":{"_lt":"9"}},{"name":{"_gt":9}}]}`:     false,
		`{"date_created":{"_lt":"2026-03-31T20:00:00+09:00"}}`: false,
		`{"date_created":{"_gt":"2026-03-31T19:59:59+09:00"}}`: true,
		`{"date_created":{"_eq":1774954800000}}`:               true,
		`{"at":{"_lt":"2026-03-31T20:00:00+09:00"}}`:           false,
		`{"at":{"_gt":"2026-03-31T19:59:59+09:00"}}`:           true,
		`{"at":{"_between":"2026-03-31,2026-04-01"}}`:          true,
		`{"at":{"_eq":1774954800000}}`:                         true,
		`{"at":{"_gt":"$NOW(-2 hours)"}}`:                      true,
		`{"tags":{"_contains":"x"}}`:                           true,
		`{"tags":{"_ncontains":"x"}}`:                          false,
		`{"tags":{"_in":["x"]}}`:                               true,
		`{"tags":{"_nin":["x"]}}`:                              false,
		`{"tags":{"_nin":["xy"]}}`:                             true,
		`{"b":{"_eq":9007199254740992}}`:                       false,
		`{"b":{"_eq":"9007199254740993"}}`:                     true,
		`{"b":{"_gt":9007199254740992}}`:                       true,
		`{"name":{"_ieq":"ANN"}}`:                              true,
		`{"name":{"_nieq":"ANN"}}`:                             false,
		`{"age":{"_ieq":"39"}}`:                                true,
		`{"_or":[]}`:                                           true,
	} {
		n, err := readFilter(gjson.Parse(filter), moment)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := query.Compile(n); err != nil || c.Match(doc) != want {
			t.Errorf("%s: %v %v", filter, c.Match(doc), err)
		}
	}
}
