package restdb

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

const whole = `{"_id":"1","_created":"2026","_version":1,"name":"Ann","age":9}`

// String is what a selection says, with what it shows of a document.
func (s *selection) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d+%d", s.skip, s.max)
	for _, t := range s.order {
		fmt.Fprintf(&b, " by %s", t.Field)
		if t.Descending {
			b.WriteString(" down")
		}
	}
	for _, f := range s.groupBy {
		fmt.Fprintf(&b, " group %s", f)
	}
	for _, a := range s.aggregates {
		fmt.Fprintf(&b, " %d(%s) as %s", a.Func, a.Field, a.As)
	}
	return b.String() + " " + string(s.projection.Append(nil, []byte(whole)))
}

// TestSelection: the parameters of a list as they are sent, and what comes of them.
func TestSelection(t *testing.T) {
	t.Parallel()
	const plain = `{"_id":"1","name":"Ann","age":9}`
	for _, c := range []struct{ query, want string }{
		{``, `0+1000 ` + plain},
		{`apikey=x&r=0.1&format=js`, `0+1000 ` + plain},
		{`metafields=true`, `0+1000 ` + whole},
		{`max=5&skip=10`, `10+5 ` + plain},
		{`max=0`, `0+0 ` + plain},
		{`sort=age&dir=-1&sort=name`, `0+1000 by age down by name ` + plain},
		{`groupby=gender&aggregate=SUM:weight&aggregate=AVG:age&aggregate=COUNT:n&aggregate=COUNT:`, `0+1000 group gender 1(weight) as SUM weight 2(age) as AVG age 0() as COUNT n 0() as COUNT  ` + plain},
		{`h={"$max":20,"$skip":"3"}`, `3+20 ` + plain},
		{`max=5&h={"$max":20}`, `0+20 ` + plain},
		{`sort=name&h={"$orderby":{"salary":1,"age":-1}}`, `0+1000 by salary by age down ` + plain},
		{`h={"$orderby":["name",{"age":-1}]}`, `0+1000 by name by age down ` + plain},
		{`h={"$orderby":"name"}`, `0+1000 by name ` + plain},
		{`h={"$fields":{"name":1}}`, `0+1000 {"_id":"1","name":"Ann"}`},
		{`h={"$fields":["name"]}`, `0+1000 {"_id":"1","name":"Ann"}`},
		{`h={"$fields":{"name":1,"_id":0}}`, `0+1000 {"name":"Ann"}`},
		{`h={"$fields":{"_version":1}}`, `0+1000 {"_id":"1","_version":1}`},
		{`h={"$fields":{"name":true}}&metafields=true`, `0+1000 {"_id":"1","_created":"2026","_version":1,"name":"Ann"}`},
		{`h={"$fields":{"age":0}}`, `0+1000 {"_id":"1","name":"Ann"}`},
		{`h={"$fields":{"age":0,"_id":0}}&metafields=true`, `0+1000 {"_created":"2026","_version":1,"name":"Ann"}`},
		{`h={"$groupby":["age","city"],"$aggregate":["SUM:salary","MIN:age","MAX:age"]}`, `0+1000 group age group city 1(salary) as SUM salary 3(age) as MIN age 4(age) as MAX age ` + plain},
		{`aggregate=SUM:a&groupby=c&h={"$aggregate":"sum:b","$groupby":"d"}`, `0+1000 group d 1(b) as SUM b ` + plain},

		{`sort=city,age&dir=1,-1`, `0+1000 by city by age down ` + plain},
		{`sort=city, age,n&sort=x&dir=-1`, `0+1000 by city down by age by n by x ` + plain},
		{`groupby=city,age&groupby=n`, `0+1000 group city group age group n ` + plain},
		{`aggregate=SUM:age,COUNT:n, avg:a&aggregate=COUNT`, `0+1000 1(age) as SUM age 0() as COUNT n 2(a) as AVG a 0() as COUNT  ` + plain},
		{`h={"$orderby":"city,age","$groupby":"a,b","$aggregate":"SUM:a,COUNT:"}`, `0+1000 by city by age group a group b 1(a) as SUM a 0() as COUNT  ` + plain},
		{`h={"$orderby":["a,b"],"$groupby":["c,d"],"$fields":["age"]}`, `0+1000 by a,b group c,d {"_id":"1","age":9}`},
		{`h={"$fields":"name,age"}`, `0+1000 ` + plain},
		{`h=[]&q= [ ] `, `0+1000 ` + plain},

		{`sort=city,`, `bad_field: the name of a field is empty: give one such as name or user.name`},
		{`sort=a,b&dir=1,x`, `bad_value: the direction of b is "x": it is 1 (ascending) or -1 (descending)`},
		{`aggregate=SUM:a,b`, `unknown_operator: there is no function "B": there are AVG COUNT MAX MIN SUM, such as SUM:score`},
		{`h=[1]`, `bad_syntax: parameter h is an array: it must be a JSON object`},
		{`max=-1`, `bad_value: max is -1: it must be a whole number from 0 to 1000000000`},
		{`skip=1.5`, `bad_value: skip is 1.5: it must be a whole number from 0 to 1000000000`},
		{`h={"$max":1000000001}`, `bad_value: $max is 1000000001: it must be a whole number from 0 to 1000000000`},
		{`h={"$max":null}`, `bad_value: $max is null: it must be a whole number from 0 to 1000000000`},
		{`sort=a&dir=down`, `bad_value: the direction of a is "down": it is 1 (ascending) or -1 (descending)`},
		{`sort=`, `bad_field: the name of a field is empty: give one such as name or user.name`},
		{`groupby=$YEAR:at`, `unknown_operator: grouping by parts of dates such as "$YEAR:at" is not supported: group by a field`},
		{`aggregate=MEDIAN:a`, `unknown_operator: there is no function "MEDIAN": there are AVG COUNT MAX MIN SUM, such as SUM:score`},
		{`aggregate=SUM`, `bad_field: the name of a field is empty: give one such as name or user.name`},
		{`h={"max":5}`, `unknown_operator: there is no hint "max": there are $max $skip $orderby $fields $groupby $aggregate`},
		{`h={"$orderby":5}`, `bad_value: $orderby is a number: it takes an object such as {"age":-1}`},
		{`h={"$orderby":[["a"]]}`, `bad_value: $orderby has a list within a list`},
		{`h={"$orderby":{"a":2}}`, `bad_value: the direction of a is "2": it is 1 (ascending) or -1 (descending)`},
		{`h={"$groupby":[1]}`, `bad_value: $groupby holds a number: it takes a string or a list of strings`},
		{`h={"$fields":{"a":1,"b":0}}`, `bad_value: $fields both shows and hides: give either names with 1 or names with 0`},
		{`h={"$fields":{"a":"x"}}`, `bad_value: $fields has a string for "a": 1 shows a field, 0 hides it`},
		{`h={"$fields":{"a..b":1}}`, `bad_field: field "a..b" has an empty name in it: one dot goes between two names`},
		{strings.Repeat("sort=a&", 101), `too_many: the order has 101 fields: at most 100 are allowed`},
		{strings.Repeat("aggregate=SUM:a&", 101), `too_many: the aggregate has 101 fields: at most 100 are allowed`},
		{`q={"a":{"$gz":1}}`, `unknown_operator: there is no operator "$gz": there are ` + operatorNames},
		{`filter=` + strings.Repeat("x", 1001), `too_long: the text to search for has 1001 bytes: at most 1000 are allowed`},
	} {
		values, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseSelection(values)
		if got := outcome(s, err); got != c.want {
			t.Errorf("%.100s\n got %s\nwant %s", c.query, got, c.want)
		}
	}
}

// TestFilter: q and filter hold both.
func TestFilter(t *testing.T) {
	t.Parallel()
	s, err := parseSelection(url.Values{"q": {`{"age":{"$gt":3}}`}, "filter": {"JOHN"}})
	if err != nil {
		t.Fatal(err)
	}
	for doc, want := range map[string]bool{
		`{"age":4,"name":"Johnson"}`: true,
		`{"age":2,"name":"Johnson"}`: false,
		`{"age":4,"name":"Ann"}`:     false,
	} {
		if s.condition.Match([]byte(doc)) != want {
			t.Error(doc)
		}
	}
}

// TestEverything: without a condition there is none to ask each document.
func TestEverything(t *testing.T) {
	t.Parallel()
	for _, q := range []string{"", "{}", " {} "} {
		if s, err := parseSelection(url.Values{"q": {q}}); err != nil || s.condition != nil {
			t.Errorf("%q: %v %v", q, s, err)
		}
	}
}
