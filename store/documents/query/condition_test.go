package query

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

func field(path string) Field {
	f, err := ParseField(path)
	if err != nil {
		panic(err)
	}
	return f
}

// ask is a comparison. Its values are JSON.
func ask(op Op, path string, values ...string) Node {
	n := Node{Op: op, Field: field(path)}
	for _, v := range values {
		n.Values = append(n.Values, gjson.Parse(v))
	}
	return n
}

func sql(n Node) Node    { n.Rules = SQL; return n }
func negate(n Node) Node { n.Negate = true; return n }
func fold(n Node) Node   { n.Fold = true; return n }

// path is a field with subscripts, for a comparison.
func path(text string) Field {
	f, err := ParsePath(text)
	if err != nil {
		panic(err)
	}
	return f
}

func at(op Op, field string, values ...string) Node {
	n := ask(op, field, values...)
	n.Field = path(field)
	return n
}

// element is a condition on an element of a list: on the element itself or on its fields.
func element(path string, of Node) Node {
	return Node{Op: Element, Field: field(path), Nodes: []Node{of}}
}

func itself(op Op, values ...string) Node {
	n := ask(op, "x", values...)
	n.Field = Itself
	return n
}

func compiled(t *testing.T, n Node) *Condition {
	t.Helper()
	c, err := Compile(n)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestMatch: each condition against documents that match and documents that do not.
func TestMatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		node    Node
		yes, no []string
	}{
		"equal":                   {ask(Eq, "a", `5`), []string{`{"a":5}`, `{"a":5.0}`, `{"b":0,"a":[1,5]}`}, []string{`{"a":"5"}`, `{}`, `{"a":[[5]]}`, `{"b":5}`}},
		"equal to null":           {ask(Eq, "a", `null`), []string{`{"a":null}`, `{}`, `{"a":[null]}`}, []string{`{"a":0}`, `{"a":[]}`}},
		"equal to an object":      {ask(Eq, "a", `{"x":1}`), []string{`{"a":{"x":1}}`, `{"a":[{"x":1}]}`}, []string{`{"a":{"x":1,"y":2}}`}},
		"equal to an array":       {ask(Eq, "a", `[1,2]`), []string{`{"a":[1,2]}`, `{"a":[[1,2]]}`}, []string{`{"a":[2,1]}`, `{"a":1}`}},
		"not equal":               {negate(ask(Eq, "a", `5`)), []string{`{}`, `{"a":"5"}`, `{"a":null}`}, []string{`{"a":5}`, `{"a":[4,5]}`}},
		"greater":                 {ask(Gt, "a", `3`), []string{`{"a":4}`, `{"a":[1,4]}`}, []string{`{"a":3}`, `{"a":"4"}`, `{"a":true}`, `{}`}},
		"at least null":           {ask(Gte, "a", `null`), []string{`{}`, `{"a":null}`}, []string{`{"a":1}`}},
		"less by bytes":           {ask(Lt, "a", `"b"`), []string{`{"a":"a"}`, `{"a":"B"}`}, []string{`{"a":"b"}`, `{"a":1}`, `{"a":null}`}},
		"less than true":          {ask(Lt, "a", `true`), []string{`{"a":false}`}, []string{`{"a":true}`, `{"a":0}`}},
		"between":                 {ask(Between, "a", `2`, `4`), []string{`{"a":2}`, `{"a":4}`, `{"a":[9,3]}`}, []string{`{"a":1.9}`, `{"a":[1,9]}`}},
		"one of":                  {ask(In, "a", `1`, `"x"`, `null`), []string{`{"a":1}`, `{"a":"x"}`, `{}`}, []string{`{"a":2}`}},
		"none of":                 {negate(ask(In, "a", `1`, `"x"`)), []string{`{"a":2}`, `{}`}, []string{`{"a":1}`, `{"a":["x"]}`}},
		"one of nothing":          {ask(In, "a"), nil, []string{`{}`, `{"a":null}`}},
		"exists":                  {ask(Exists, "a"), []string{`{"a":null}`, `{"a":[]}`}, []string{`{}`, `{"b":{"a":1}}`}},
		"exists not":              {negate(ask(Exists, "a.b")), []string{`{}`, `{"a":{}}`, `{"a":5}`, `{"a":[]}`, `{"a":[{}]}`}, []string{`{"a":{"b":null}}`, `{"a":[{},{"b":1}]}`}},
		"a path":                  {ask(Eq, "a.b", `1`), []string{`{"a":{"b":1}}`, `{"a":[{"b":2},{"b":1}]}`, `{"a":[{"b":[1]}]}`}, []string{`{"a.b":1}`, `{"a":1}`, `{"a":[[{"b":1}]]}`}},
		"no syntax in names":      {ask(Eq, "#", `1`), []string{`{"#":1}`}, []string{`{"a":1}`, `{}`}},
		"a place exists":          {at(Exists, "a.0"), []string{`{"a":[5]}`, `{"a":[null]}`, `{"a":[{}]}`, `{"a":{"0":1}}`, `{"a":[5,{"0":1}]}`}, []string{`{"a":[]}`, `{}`, `{"a":5}`, `{"a":{}}`}},
		"a place does not exist":  {negate(at(Exists, "a.1")), []string{`{"a":[5]}`, `{"a":[{"b":1}]}`, `{}`}, []string{`{"a":[5,6]}`, `{"a":[{"1":5}]}`}},
		"a place":                 {at(Eq, "a.1", `5`), []string{`{"a":[1,5]}`, `{"a":[1,[5]]}`, `{"a":{"1":5}}`, `{"a":[{"1":5}]}`}, []string{`{"a":[5,1]}`, `{"a":[5]}`, `{}`}},
		"a place is null":         {at(Eq, "a.0", `null`), []string{`{"a":[]}`, `{"a":[null]}`, `{}`}, []string{`{"a":[{"b":1}]}`, `{"a":[0]}`}},
		"a place is not null":     {negate(at(Eq, "a.0", `null`)), []string{`{"a":[{"b":1}]}`, `{"a":[0]}`}, []string{`{"a":[]}`, `{}`}},
		"below a place":           {at(Gt, "a.0.b", `5`), []string{`{"a":[{"b":6}]}`, `{"a":[{"b":[1,6]}]}`, `{"a":[[{"b":6}]]}`}, []string{`{"a":[{"b":1},{"b":6}]}`, `{"a":[6]}`}},
		"a place of a place":      {at(Eq, "a.0.1", `5`), []string{`{"a":[[1,5]]}`, `{"a":[{"1":5}]}`}, []string{`{"a":[[5,1]]}`, `{"a":[[1],[1,5]]}`}},
		"no place":                {at(Exists, "a.01"), []string{`{"a":[{"01":1}]}`}, []string{`{"a":[1,2]}`}},
		"names and no subscripts": {ask(Eq, "a.0", `5`), []string{`{"a":[{"0":5}]}`}, []string{`{"a":[5]}`}},
		"an element's fields": {element("a", Node{Op: And, Nodes: []Node{ask(Gt, "x", `3`), ask(Eq, "y", `1`)}}),
			[]string{`{"a":[{"x":1},{"x":4,"y":1}]}`, `{"a":[{"x":[1,4],"y":1}]}`}, []string{`{"a":[{"x":4},{"y":1}]}`, `{"a":{"x":4,"y":1}}`, `{}`, `{"a":[]}`, `{"a":[4]}`}},
		"an element without":       {element("a", negate(ask(Eq, "x", `1`))), []string{`{"a":[{"x":1},{}]}`}, []string{`{"a":[{"x":1},5,null,[2]]}`}},
		"no such element":          {negate(element("a", ask(Eq, "x", `1`))), []string{`{"a":[{"x":2}]}`, `{"a":[]}`, `{}`, `{"a":{"x":1}}`}, []string{`{"a":[{"x":1}]}`}},
		"an element itself":        {element("a", Node{Op: And, Nodes: []Node{itself(Gte, `80`), itself(Lt, `85`)}}), []string{`{"a":[1,82]}`}, []string{`{"a":[79,90]}`, `{"a":82}`, `{"a":[[82]]}`, `{}`}},
		"an element itself is not": {element("a", negate(itself(Eq, `1`))), []string{`{"a":[1,2]}`, `{"a":[[1]]}`}, []string{`{"a":[1,1]}`, `{"a":[]}`}},
		"an element of a path":     {element("a.b", ask(Eq, "x", `1`)), []string{`{"a":{"b":[{"x":1}]}}`, `{"a":[{"b":[{"x":2}]},{"b":[{"x":1}]}]}`}, []string{`{"a":[{"b":{"x":1}}]}`}},
		"an element of a place":    {Node{Op: Element, Field: path("a.0"), Nodes: []Node{itself(Eq, `1`)}}, []string{`{"a":[[1]]}`}, []string{`{"a":[1]}`, `{"a":[[2],[1]]}`}},
		"an element's element":     {element("a", element("b", itself(Eq, `1`))), []string{`{"a":[{"b":[1]}]}`}, []string{`{"a":[{"b":1}]}`}},
		"contains":                 {ask(Contains, "a", `"An"`), []string{`{"a":"xAny"}`, `{"a":["An"]}`}, []string{`{"a":"an"}`, `{"a":1}`}},
		"contains in any case":     {fold(ask(Contains, "a", `"ÄN"`)), []string{`{"a":"xäny"}`}, []string{`{"a":"any"}`}},
		"begins":                   {ask(StartsWith, "a", `"An"`), []string{`{"a":"Any"}`}, []string{`{"a":"xAn"}`}},
		"ends":                     {ask(EndsWith, "a", `"ny"`), []string{`{"a":"Any"}`}, []string{`{"a":"nyx"}`}},
		"regular":                  {ask(Regex, "a", `"^J.*e$"`), []string{`{"a":"Joe"}`, `{"a":["x","Joe"]}`}, []string{`{"a":"joe"}`, `{"a":1}`}},
		"regular in any case":      {fold(ask(Regex, "a", `"^j"`)), []string{`{"a":"Joe"}`}, nil},
		"empty":                    {ask(Empty, "a"), []string{`{}`, `{"a":null}`, `{"a":""}`, `{"a":[]}`, `{"a":{}}`}, []string{`{"a":0}`, `{"a":false}`, `{"a":" "}`, `{"a":[""]}`}},
		"sql: equal":               {sql(ask(Eq, "a", `5`)), []string{`{"a":5}`}, []string{`{"a":"5"}`, `{"a":[5]}`, `{}`}},
		"sql: spelled number":      {sql(ask(Eq, "a", `"5"`)), []string{`{"a":5}`, `{"a":"5"}`}, []string{`{"a":"5.0"}`}},
		"sql: spelled boolean":     {sql(ask(Eq, "a", `"true"`)), []string{`{"a":true}`, `{"a":"true"}`}, []string{`{"a":1}`}},
		"null in none of a list":   {ask(Eq, "a.b", `null`), []string{`{"a":[{"b":1},{}]}`, `{"a":[]}`}, []string{`{"a":[{"b":1},3]}`}},
		"sql: number with a space": {sql(ask(Eq, "a", `" 5"`)), []string{`{"a":" 5"}`}, []string{`{"a":5}`}},
		"sql: no number":           {sql(ask(Eq, "a", `"007"`)), []string{`{"a":"007"}`}, []string{`{"a":7}`}},
		"sql: null equals none":    {sql(ask(Eq, "a", `null`)), nil, []string{`{}`, `{"a":null}`}},
		"sql: not equal":           {sql(negate(ask(Eq, "a", `5`))), []string{`{"a":"x"}`, `{"a":4}`}, []string{`{"a":5}`, `{"a":null}`, `{}`}},
		"sql: none of":             {sql(negate(ask(In, "a", `"5"`, `"x"`))), []string{`{"a":4}`}, []string{`{"a":5}`, `{"a":"x"}`, `{}`}},
		"sql: greater":             {sql(ask(Gt, "a", `"10"`)), []string{`{"a":11}`, `{"a":"9"}`}, []string{`{"a":9}`, `{"a":"1"}`, `{}`}},
		"sql: between":             {sql(ask(Between, "a", `"2"`, `"10"`)), []string{`{"a":2}`, `{"a":10}`}, []string{`{"a":11}`, `{}`}},
		"sql: not between":         {sql(negate(ask(Between, "a", `2`, `10`))), []string{`{"a":1}`}, []string{`{"a":2}`, `{}`, `{"a":null}`}},
		"sql: contains not":        {sql(negate(ask(Contains, "a", `"x"`))), []string{`{"a":"y"}`}, []string{`{"a":"x"}`, `{}`}},
		"sql: null":                {sql(ask(Null, "a")), []string{`{}`, `{"a":null}`}, []string{`{"a":0}`}},
		"sql: not null":            {sql(negate(ask(Null, "a"))), []string{`{"a":0}`}, []string{`{}`, `{"a":null}`}},
		"sql: not empty":           {sql(negate(ask(Empty, "a"))), []string{`{"a":"x"}`, `{"a":0}`}, []string{`{}`, `{"a":""}`}},
		"sql: some of a list":      {sql(negate(ask(Eq, "a.b", `1`))), []string{`{"a":[{"b":1},{"b":2}]}`}, []string{`{"a":[{"b":1},{}]}`}},
		"all":                      {Node{Op: And, Nodes: []Node{ask(Gt, "a", `1`), ask(Lt, "a", `3`)}}, []string{`{"a":2}`, `{"a":[0,9]}`}, []string{`{"a":1}`}},
		"all of none":              {Node{Op: And}, []string{`{}`}, nil},
		"one":                      {Node{Op: Or, Nodes: []Node{ask(Eq, "a", `1`), ask(Eq, "b", `1`)}}, []string{`{"b":1}`}, []string{`{"c":1}`}},
		"one of none":              {Node{Op: Or}, nil, []string{`{}`}},
		"not":                      {Node{Op: Not, Nodes: []Node{ask(Gt, "a", `1`)}}, []string{`{}`, `{"a":"x"}`}, []string{`{"a":2}`}},
		"search":                   {Node{Op: Search, Values: []gjson.Result{String("ANN")}}, []string{`{"a":"x ann"}`, `{"a":[{"b":"Anna"}]}`}, []string{`{"ann":1}`, `{"_by":"ann"}`, `{"a":null}`}},
		"search in numbers":        {Node{Op: Search, Values: []gjson.Result{String("20")}}, []string{`{"a":1200}`}, []string{`{"_version":20}`, `{"a":2}`}},
		"search below a metafield": {Node{Op: Search, Values: []gjson.Result{String("x")}}, []string{`{"a":{"_x":"x"}}`}, []string{`{"_a":{"b":"x"}}`}},
	} {
		cond := compiled(t, c.node)
		for _, doc := range c.yes {
			if !cond.Match([]byte(doc)) {
				t.Errorf("%s: does not match %s", name, doc)
			}
		}
		for _, doc := range c.no {
			if cond.Match([]byte(doc)) {
				t.Errorf("%s: matches %s", name, doc)
			}
		}
	}
	if !(*Condition)(nil).Match([]byte(`{}`)) {
		t.Error("no condition does not match")
	}
}

func nested(depth int) Node {
	n := ask(Eq, "a", `1`)
	for range depth - 1 {
		n = Node{Op: Not, Nodes: []Node{n}}
	}
	return n
}

func many(count int) Node {
	n := Node{Op: Or}
	for range count {
		n.Nodes = append(n.Nodes, ask(Eq, "a", `1`))
	}
	return n
}

func list(count int) Node {
	n := ask(In, "a")
	for range count {
		n.Values = append(n.Values, gjson.Parse("1"))
	}
	return n
}

// TestBounds exceeds each limit.
func TestBounds(t *testing.T) {
	t.Parallel()
	pattern := func(s string) Node { return ask(Regex, "a", quote(s)) }
	search := func(n int) Node { return Node{Op: Search, Values: []gjson.Result{String(strings.Repeat("x", n))}} }
	for _, c := range []struct {
		name   string
		node   Node
		reason Reason
		text   string
	}{
		{"depth", nested(MaxDepth), "", ""},
		{"too deep", nested(MaxDepth + 1), TooDeep, "conditions lie more than 10 deep: write them with fewer groups within groups"},
		{"conditions", many(MaxConditions), "", ""},
		{"too many", many(MaxConditions + 1), TooMany, "there are more than 100 conditions: ask in several queries, or for a list of values"},
		{"list", list(MaxList), "", ""},
		{"too long a list", list(MaxList + 1), TooMany, "the list for a has 1001 values: at most 1000 are allowed, ask in several queries"},
		{"pattern", pattern(strings.Repeat("x", MaxPattern)), "", ""},
		{"too long a pattern", pattern(strings.Repeat("x", MaxPattern+1)), BadPattern, "the regular expression has 201 bytes: at most 200 are allowed"},
		{"too many repeats", pattern(`(x{20}){30}`), BadPattern, "the regular expression repeats too much: use + or *, or a smaller number in {}"},
		{"many patterns", Node{Op: Or, Nodes: []Node{pattern(`a{240}`), pattern(`b{240}`)}}, "", ""},
		{"too much of many", Node{Op: Or, Nodes: []Node{pattern(`a{240}`), pattern(`b{270}`)}}, BadPattern, "the regular expressions repeat too much together: use + or *, or a smaller number in {}, or ask in several queries"},
		{"absurd repeats", pattern(`x{1001}`), BadPattern, "the regular expression cannot be read: invalid repeat count: `{1001}`; it is RE2, without look-around and back references"},
		{"look-around", pattern(`(?=x)`), BadPattern, "the regular expression cannot be read: invalid or unsupported Perl syntax: `(?=`; it is RE2, without look-around and back references"},
		{"search", search(MaxSearch), "", ""},
		{"too long a search", search(MaxSearch + 1), TooLong, "the text to search for has 1001 bytes: at most 1000 are allowed"},
		{"no field", Node{Op: Null}, BadField, "a condition names no field"},
		{"no value", ask(Eq, "a"), BadValue, "the condition on a has 0 values: it takes 1"},
		{"one value of two", ask(Between, "a", `1`), BadValue, "the condition on a has 1 values: it takes 2"},
		{"no string", ask(Contains, "a", `1`), BadValue, "the condition on a takes a string, not 1"},
		{"element of two", Node{Op: Element, Field: field("a"), Nodes: make([]Node, 2)}, BadSyntax, "the condition on an element of a has 2 parts: it takes one"},
		{"element of a value", Node{Op: Element, Field: field("a"), Nodes: []Node{ask(Eq, "x")}}, BadValue, "the condition on x has 0 values: it takes 1"},
		{"not of two", Node{Op: Not, Nodes: make([]Node, 2)}, BadSyntax, "a negation has 2 conditions: it takes one"},
	} {
		_, err := Compile(c.node)
		checkError(t, c.name, err, c.reason, c.text)
	}
	_, err := ParseObject("the filter", "{"+strings.Repeat(" ", MaxText-2)+"}")
	checkError(t, "text", err, "", "")
	_, err = ParseObject("the filter", strings.Repeat(" ", MaxText+1))
	checkError(t, "text", err, TooLong, "the filter has 16385 bytes: at most 16384 are allowed, ask in several queries")
}

func checkError(t *testing.T, name string, err error, reason Reason, text string) {
	t.Helper()
	var e *Error
	switch {
	case reason == "" && err != nil:
		t.Errorf("%s: refused: %v", name, err)
	case reason != "" && !errors.As(err, &e):
		t.Errorf("%s: error %v is none of ours", name, err)
	case reason != "" && (e.Reason != reason || e.Text != text):
		t.Errorf("%s: %s %q, want %s %q", name, e.Reason, e.Text, reason, text)
	}
}

// TestFields: paths that are invalid.
func TestFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path   string
		reason Reason
		text   string
	}{
		{"a", "", ""},
		{"a.b.c.d.e.f.g.h.i.j", "", ""},
		{strings.Repeat("x", MaxName), "", ""},
		{"", BadField, "the name of a field is empty: give one such as name or user.name"},
		{"a..b", BadField, `field "a..b" has an empty name in it: one dot goes between two names`},
		{".a", BadField, `field ".a" has an empty name in it: one dot goes between two names`},
		{"a.b.c.d.e.f.g.h.i.j.k", TooDeep, `field "a.b.c.d.e.f.g.h.i.j.k" nests more than 10 objects`},
		{strings.Repeat("x", MaxName+1), TooLong, "a field's path has 257 bytes: at most 256 are allowed"},
	} {
		f, err := ParseField(c.path)
		checkError(t, c.path, err, c.reason, c.text)
		if err == nil && f.String() != c.path {
			t.Errorf("%s is spelled %s", c.path, f)
		}
	}
}

// TestPlaces: what a path with subscripts leads to for an order or a figure, and its weight.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, doc, value, at string }{
		{"a.1", `{"a":[5,6]}`, `[5,6]`, `6`},
		{"a.1", `{"a":{"1":7}}`, `7`, `7`},
		{"a.2", `{"a":[5,6]}`, `[5,6]`, ``},
		{"a.1.b", `{"a":[5,{"b":8}]}`, `[5,{"b":8}]`, `8`},
		{"a.b", `{"a":[{"b":8}]}`, `[{"b":8}]`, `[{"b":8}]`},
		{"a.#", `{"a":[5]}`, `[5]`, `[5]`},
	} {
		if v, at := path(c.path).Value([]byte(c.doc)).Raw, path(c.path).At([]byte(c.doc)).Raw; v != c.value || at != c.at || field(c.path).At([]byte(c.doc)).Raw != v {
			t.Errorf("%s of %s: %s, %s", c.path, c.doc, v, at)
		}
	}
	for name, want := range map[string]int{"a.b.c": 2, "a.0": 3, "a.0.b.1": 4, "a.0.0.0.0.0.0.0.0.0": 90} {
		if got := compiled(t, at(Eq, name, `1`)).Weight(); got != want {
			t.Errorf("%s weighs %d", name, got)
		}
	}
}

func TestNodeText(t *testing.T) {
	t.Parallel()
	n := Node{Op: Or, Nodes: []Node{
		negate(fold(ask(Contains, "a.b", `"x"`))), ask(Between, "a", `1`, `2`), {Op: Not, Nodes: []Node{ask(Empty, "a")}},
		{Op: Search, Values: []gjson.Result{String("y")}}, {Op: And}, element("a", ask(Eq, "x", `1`)),
	}}
	if got := n.String(); got != `or(a.b !contains~ "x"; a between 1 2; not(a empty); search "y"; and(); a element (x eq 1))` {
		t.Error(got)
	}
}
