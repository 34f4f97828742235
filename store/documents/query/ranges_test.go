package query

import (
	"strings"
	"testing"
)

// TestRanges: the ranges of an index on a, by values inside and outside of them. Documents are written without their
// other fields.
func TestRanges(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxKeyText)
	both := func(op Op, nodes ...Node) Node { return Node{Op: op, Nodes: nodes} }
	for name, c := range map[string]struct {
		node    Node
		in, out []string
	}{
		"equal":             {sql(ask(Eq, "a", `5`)), []string{`5`}, []string{`4`, `6`, `5.1`, `null`, `"5"`, `[5]`}},
		"equal, Mongo":      {ask(Eq, "a", `5`), []string{`5`, `[5]`, `[1]`}, []string{`4`, `"5"`, `true`}},
		"spelled":           {sql(ask(Eq, "a", `"5"`)), []string{`5`, `"5"`}, []string{`6`, `"4"`, `""`}},
		"list":              {sql(ask(In, "a", `1`, `3`)), []string{`1`, `3`}, []string{`2`, `0`, `4`}},
		"below":             {sql(ask(Lt, "a", `5`)), []string{`-1e300`, `4`}, []string{`6`, `null`, `""`}},
		"at least":          {sql(ask(Gte, "a", `"m"`)), []string{`"m"`, `"z"`}, []string{`"l"`, `{}`, `9`}},
		"booleans":          {sql(ask(Lte, "a", `true`)), []string{`true`, `false`}, []string{`[]`, `1`}},
		"between":           {sql(ask(Between, "a", `2`, `4`)), []string{`2`, `4`}, []string{`1`, `5`}},
		"begins":            {sql(ask(StartsWith, "a", `"ab"`)), []string{`"ab"`, `"abz"`}, []string{`"aa"`, `"ac"`, `"a"`}},
		"begins with a 0":   {sql(ask(StartsWith, "a", `"a\u0000"`)), []string{`"a\u0000"`, `"a\u0000z"`}, []string{`"a"`, `"ab"`}},
		"begins very long":  {sql(ask(StartsWith, "a", `"`+long+`y"`)), []string{`"` + long + `yz"`}, []string{`"w"`, `"y"`}},
		"below a long text": {sql(ask(Lt, "a", `"`+long+`y"`)), []string{`"` + long + `a"`}, []string{`"y"`}},
		"null":              {sql(ask(Null, "a")), []string{`null`}, []string{`0`, `[]`}},
		"and":               {both(And, sql(ask(Gt, "a", `2`)), sql(ask(Lt, "a", `9`)), ask(Eq, "b", `1`)), []string{`5`}, []string{`1`, `10`}},
		"or":                {both(Or, sql(ask(Eq, "a", `2`)), sql(ask(Eq, "a", `9`))), []string{`2`, `9`}, []string{`5`}},
		"lists":             {both(And, sql(ask(In, "a", `1`, `3`, `5`, `8`)), sql(ask(In, "a", `3`, `4`, `5`, `8`, `9`))), []string{`3`, `5`, `8`}, []string{`1`, `4`, `9`}},
		"list in a range":   {both(And, sql(ask(Between, "a", `2`, `9`)), sql(ask(In, "a", `1`, `3`, `8`, `10`))), []string{`3`, `8`}, []string{`1`, `5`, `10`}},
		"or, overlapping":   {both(Or, sql(ask(Between, "a", `2`, `5`)), sql(ask(Between, "a", `3`, `9`)), sql(ask(Between, "a", `4`, `6`))), []string{`2`, `7`, `9`}, []string{`1`, `10`}},
		"never":             {both(And, sql(ask(Eq, "a", `2`)), sql(ask(Eq, "a", `9`))), nil, []string{`2`, `9`, `null`}},
	} {
		ranges, ok := compiled(t, c.node).Ranges("a")
		if !ok {
			t.Errorf("%s: narrows nothing", name)
			continue
		}
		key := func(v string) []byte { return field("a").AppendKey(nil, []byte(`{"a":`+v+`}`)) }
		for _, v := range c.in {
			if !within(ranges, key(v)) {
				t.Errorf("%s: leaves out %s", name, v)
			}
		}
		for _, v := range c.out {
			if within(ranges, key(v)) {
				t.Errorf("%s: has %s", name, v)
			}
		}
	}
	for name, n := range map[string]Node{
		"another field": ask(Eq, "b", `1`),
		"negated":       negate(ask(Eq, "a", `1`)),
		"not":           both(Not, ask(Eq, "a", `1`)),
		"or another":    both(Or, ask(Eq, "a", `1`), ask(Eq, "b", `1`)),
		"pattern":       ask(Regex, "a", `"x"`),
		"any case":      fold(ask(StartsWith, "a", `"x"`)),
		"all":           {},
	} {
		if r, ok := compiled(t, n).Ranges("a"); ok {
			t.Errorf("%s: narrows to %x", name, r)
		}
	}
	if _, ok := (*Condition)(nil).Ranges("a"); ok {
		t.Error("no condition narrows")
	}
}
