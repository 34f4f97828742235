package restdb

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/store/documents/query"
)

const noDate = `$date takes a time such as 2026-11-20T13:22:01.000Z or 2026-11-20, milliseconds since 1970, $currentDate, $currentMonth or $currentYear, not `

// TestDateVariables: the times that depend on now.
func TestDateVariables(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 13, 22, 1, 130e6, time.UTC)
	for name, want := range map[string]string{"$currentDate": "2026-11-20T13:22:01.13Z", "$currentMonth": "2026-11-01T00:00:00Z", "$currentYear": "2026-01-01T00:00:00Z"} {
		if got := variables[name](now).Format(time.RFC3339Nano); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	before := time.Now().UTC().Truncate(time.Millisecond)
	n, err := parseQ(`{"at":{"$lt":{"$date":"$currentDate"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339Nano, n.Values[0].Str)
	if err != nil || at.Before(before) || at.After(time.Now()) {
		t.Errorf("%v is not now: %v", n, err)
	}
}

// TestCondition: q as it is sent, and the condition or the exact refusal that comes of it.
func TestCondition(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ q, want string }{
		{``, `and()`},
		{` {} `, `and()`},
		{`{"status":"GOLD"}`, `status eq "GOLD"`},
		{`{"name":"Joe","age":17}`, `and(name eq "Joe"; age eq 17)`},
		{`{"a":null}`, `a eq null`},
		{`{"a": {"b": [1, 2]}}`, `a eq {"b":[1,2]}`},
		{`{"a":{}}`, `a eq {}`},
		{`{"a.b":true}`, `a.b eq true`},
		{`{"#":1,"a|b":2,"@this":3}`, `and(# eq 1; a|b eq 2; @this eq 3)`},
		{`{"age":{"$gt":3}}`, `age gt 3`},
		{`{"age":{"$gte":3,"$lt":9}}`, `and(age gte 3; age lt 9)`},
		{`{"age":{"$eq":3},"b":{"$ne":null},"c":{"$lte":"x"}}`, `and(age eq 3; b !eq null; c lte "x")`},
		{`{"name":{"$in":["Joe","Jane",null]}}`, `name in "Joe" "Jane" null`},
		{`{"name":{"$nin":[]}}`, `name !in`},
		{`{"age":{"$bt":[3,9]}}`, `age between 3 9`},
		{`{"a":{"$exists":true},"b":{"$exists":false},"c":{"$exists":0}}`, `and(a exists; b !exists; c !exists)`},
		{`{"name":{"$regex":"^J"}}`, `name regex "^J"`},
		{`{"name":{"$regex":"^J","$options":"im"}}`, `name regex "(?im)^J"`},
		{`{"name":{"$options":"","$regex":"^J"}}`, `name regex "^J"`},
		{`{"name":{"$not":"Joe"}}`, `not(name eq "Joe")`},
		{`{"age":{"$not":{"$gt":3,"$lt":9}}}`, `not(and(age gt 3; age lt 9))`},
		{`{"age":{"$not":{"$not":{"$regex":"x"}}}}`, `not(not(age regex "x"))`},
		{`{"$not":{"a":1}}`, `not(a eq 1)`},
		{`{"$or":[{"a":1},{"b":{"$gt":2},"c":3}]}`, `or(a eq 1; and(b gt 2; c eq 3))`},
		{`{"$and":[{"a":1}],"d":4}`, `and(and(a eq 1); d eq 4)`},
		{`{"$nor":[{"a":1},{"b":2}]}`, `not(or(a eq 1; b eq 2))`},
		{`{"at":{"$gt":{"$date":"2026-11-20T14:22:01.5+01:00"}}}`, `at gt "2026-11-20T13:22:01.500Z"`},
		{`{"at":{"$date":"2026-11-20"}}`, `at eq "2026-11-20T00:00:00.000Z"`},
		{`{"_created":{"$bt":[{"$date":"2026-11-20"},{"$date":"2026-11-21T12:00:00"}]}}`, `_created between "2026-11-20T00:00:00.000Z" "2026-11-21T12:00:00.000Z"`},

		{`{"at":{"$gt":{"$date":1763644921500}}}`, `at gt "2025-11-20T13:22:01.500Z"`},
		{`{"at":{"$in":[{"$date":"2026-11"},{"$date":"2026-11-20 14:22"},{"$date":"2026-11-20T14:22+02:00"}]}}`, `at in "2026-11-01T00:00:00.000Z" "2026-11-20T14:22:00.000Z" "2026-11-20T12:22:00.000Z"`},
		{`{"kids.0":{"$exists":true}}`, `kids.0 exists`},
		{`{"a":{"$elemMatch":{"x":1,"y":{"$gt":2}}}}`, `a element (and(x eq 1; y gt 2))`},
		{`{"a":{"$elemMatch":{"$gte":1,"$lt":3}},"b":2}`, `and(a element (and(the element gte 1; the element lt 3)); b eq 2)`},
		{`{"a":{"$elemMatch":{"$or":[{"x":1},{"y":2}]}}}`, `a element (or(x eq 1; y eq 2))`},
		{`{"a":{"$elemMatch":{"$not":{"$in":[1,2]}}}}`, `a element (not(the element in 1 2))`},
		{`{"a":{"$not":{"$elemMatch":{}}}}`, `not(a element (and()))`},

		{`{age:3}`, `bad_syntax: parameter q is not JSON: byte 2 is 'a', where a name in double quotes, or } was expected`},
		{`{"a":1,"a":2}`, `bad_syntax: parameter q is not JSON: duplicate object member name "a"`},
		{`[1]`, `bad_syntax: parameter q is an array: it must be a JSON object`},
		{`"x"`, `bad_syntax: parameter q is a string: it must be a JSON object`},
		{`null`, `bad_syntax: parameter q is null: it must be a JSON object`},
		{`{"age":{"$gz":3}}`, `unknown_operator: there is no operator "$gz": there are ` + operatorNames},
		{`{"$where":"1"}`, `unknown_operator: there is no operator "$where": there are ` + operatorNames},
		{`{"a":{"$in":[1],"$all":[2]}}`, `unknown_operator: there is no operator "$all": there are ` + operatorNames},
		{`{"$gt":3}`, `bad_syntax: $gt needs a field: write {"name":{"$gt":…}}`},
		{`{"$g":3}`, `unknown_operator: there is no operator "$g": there are ` + operatorNames},
		{`{"a":{"$or":[1]}}`, `bad_syntax: $or stands below field a: write {"$or":[{"a":…}]}`},
		{`{"a":{"$gt":1,"b":2}}`, `bad_syntax: field a is asked for operators and for "b": give either operators or a value`},
		{`{"a":{"$options":"i"}}`, `bad_syntax: $options of a needs $regex`},
		{`{"$or":{"a":1}}`, `bad_value: $or takes a list of at least one condition, such as [{"name":"Joe"}]`},
		{`{"$or":[]}`, `bad_value: $or takes a list of at least one condition, such as [{"name":"Joe"}]`},
		{`{"$and":[{"a":1},2]}`, `bad_value: $and holds a number: it takes a list of objects`},
		{`{"$not":[1]}`, `bad_value: $not next to fields takes an object of conditions, not an array`},
		{`{"a":{"$in":1}}`, `bad_value: $in of a takes a list, not a number`},
		{`{"a":{"$bt":[1]}}`, `bad_value: $bt of a takes a list of two values, the lowest and the highest`},
		{`{"a":{"$exists":"x"}}`, `bad_value: $exists of a takes true or false, not a string`},
		{`{"a":{"$regex":{"$regex":"x"}}}`, `bad_value: $regex of a takes a string, not an object; options go next to it: {"$regex":"^a","$options":"i"}`},
		{`{"a":{"$regex":"x","$options":"x"}}`, `bad_value: $options of a are "x": use the letters i, m and s`},
		{`{"a":{"$regex":"["}}`, "bad_pattern: the regular expression cannot be read: missing closing ]: `[`; it is RE2, without look-around and back references"},
		{`{"a":{"$date":"$currentHour"}}`, `bad_value: ` + noDate + `"$currentHour"`},
		{`{"a":{"$date":""}}`, `bad_value: ` + noDate + `""`},
		{`{"a":{"$date":1.5}}`, `bad_value: ` + noDate + `1.5`},
		{`{"a":{"$date":9e99}}`, `bad_value: ` + noDate + `9e99`},
		{`{"a":{"$date":true}}`, `bad_value: ` + noDate + `true`},
		{`{"a":{"$elemMatch":5}}`, `bad_value: $elemMatch of a takes an object such as {"name":"Ann","age":{"$gt":3}} or {"$gt":3}, not a number`},
		{`{"a":{"$elemMatch":{"$in":5}}}`, `bad_value: $in of the element takes a list, not a number`},
		{`{"a":{"$elemMatch":{"$gt":5,"b":1}}}`, `bad_syntax: $gt needs a field: write {"name":{"$gt":…}}`},
		{`{"a":{"$elemMatch":{"$size":5}}}`, `unknown_operator: there is no operator "$size": there are ` + operatorNames},
		{`{"$elemMatch":{"a":1}}`, `bad_syntax: $elemMatch needs a field: write {"name":{"$elemMatch":…}}`},
		{strings.Repeat(`{"a":{"$elemMatch":`, 10) + `{"b":1}` + strings.Repeat(`}}`, 10), `too_deep: conditions lie more than 10 deep: write them with fewer groups within groups`},
		{`{"":1}`, `bad_field: the name of a field is empty: give one such as name or user.name`},
		{`{"a..b":1}`, `bad_field: field "a..b" has an empty name in it: one dot goes between two names`},
		{nested(query.MaxDepth), `not(not(not(not(not(not(not(not(not(a eq 1)))))))))`},
		{nested(query.MaxDepth + 1), `too_deep: conditions lie more than 10 deep: write them with fewer groups within groups`},
		{`{"a":` + strings.Repeat(`{"$not":`, 5000/len(`{"$not":}`)*2) + `1` + strings.Repeat(`}`, 5000/len(`{"$not":}`)*2) + `}`, `too_deep: conditions lie more than 10 deep: write them with fewer groups within groups`},
		{`{"a":{"$in":[1` + strings.Repeat(",1", query.MaxList) + `]}}`, `too_many: the list for a has 1001 values: at most 1000 are allowed, ask in several queries`},
		{`{"$or":[{"a":1}` + strings.Repeat(`,{"a":1}`, query.MaxConditions) + `]}`, `too_many: there are more than 100 conditions: ask in several queries, or for a list of values`},
		{`{"a":"` + strings.Repeat("x", query.MaxText) + `"}`, `too_long: parameter q has 16392 bytes: at most 16384 are allowed, ask in several queries`},
	} {
		n, err := parseQ(c.q)
		if err == nil {
			_, err = query.Compile(n)
		}
		if got := outcome(n, err); got != c.want {
			t.Errorf("%.100s\n got %s\nwant %s", c.q, got, c.want)
		}
	}
}

// nested is a condition that lies so deep.
func nested(depth int) string {
	return strings.Repeat(`{"$not":`, depth-1) + `{"a":1}` + strings.Repeat(`}`, depth-1)
}

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

// TestConditionMatches: parsed conditions on documents, metafields among them.
func TestConditionMatches(t *testing.T) {
	t.Parallel()
	doc := []byte(`{"_id":"577cf185e2039b0900000016","_created":"2026-11-20T13:22:01.000Z","_version":2,"name":"Joe","tags":["a","b"]}`)
	for q, want := range map[string]bool{
		``:                                    true,
		`{"_id":"577cf185e2039b0900000016"}`:  true,
		`{"_version":{"$gte":3}}`:             false,
		`{"tags":"b","name":{"$not":"Jane"}}`: true,
		`{"tags":{"$nin":["b"]}}`:             false,
		`{"gone":null}`:                       true,
		`{"gone":{"$not":{"$gt":3}}}`:         true,
		`{"name":{"$regex":"^j"}}`:            false,
		`{"tags.0":{"$exists":true},"tags.2":{"$exists":false}}`: true,
		`{"tags.1":"b"}`:                                true,
		`{"tags.0":"b"}`:                                false,
		`{"tags":{"$elemMatch":{"$gt":"a"}}}`:           true,
		`{"tags":{"$elemMatch":{"$gt":"b"}}}`:           false,
		`{"_created":{"$lt":{"$date":"$currentYear"}}}`: false,
		`{"_created":{"$gt":{"$date":"2026-11-20"}},"name":{"$regex":"^j","$options":"i"}}`: true,
	} {
		n, err := parseQ(q)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		c, err := query.Compile(n)
		if err != nil || c.Match(doc) != want {
			t.Errorf("%s: %v, %v", q, c.Match(doc), err)
		}
	}
}
