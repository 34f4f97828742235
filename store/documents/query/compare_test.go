package query

import "testing"

// TestMatchExactly: large numbers match by all their digits, by both rules, and with SQL's moments and lists.
func TestMatchExactly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		node    Node
		yes, no []string
	}{
		"large numbers":            {ask(Eq, "a", `9007199254740992`), []string{`{"a":9007199254740992}`, `{"a":9007199254740992.0}`, `{"a":[1,9007199254740992]}`}, []string{`{"a":9007199254740993}`}},
		"sql: large numbers":       {sql(ask(In, "a", `"9007199254740993"`, `1`)), []string{`{"a":9007199254740993}`, `{"a":1}`}, []string{`{"a":9007199254740992}`, `{"a":9007199254740994}`}},
		"more than a large number": {ask(Gt, "a", `9007199254740992`), []string{`{"a":9007199254740993}`, `{"a":1e300}`}, []string{`{"a":9007199254740992}`, `{"a":-9007199254740993}`}},
		"less than a negative one": {ask(Lt, "a", `-9007199254740992`), []string{`{"a":-9007199254740993}`}, []string{`{"a":-9007199254740992}`}},
		"between large numbers":    {ask(Between, "a", `9007199254740993`, `9007199254740993`), []string{`{"a":9007199254740993}`}, []string{`{"a":9007199254740992}`, `{"a":9007199254740994}`}},
		"none of large numbers":    {negate(ask(In, "a", `9007199254740992`)), []string{`{"a":9007199254740993}`}, []string{`{"a":9007199254740992}`}},
		"sql: before a moment":     {sql(ask(Lt, "a", `"2026-11-29T20:00:00+09:00"`)), []string{`{"a":"2026-11-29T10:59:59.999Z"}`, `{"a":"2026-11-29"}`, `{"a":"2026-11-29T20:30:00+10:00"}`, `{"a":1795949999999}`}, []string{`{"a":"2026-11-29T11:00:00Z"}`, `{"a":"2026-11-29T12:00:00.000Z"}`, `{"a":1795950000000}`, `{"a":true}`, `{}`}},
		"sql: after a moment":      {sql(ask(Gt, "a", `"2026-11-29 11:00"`)), []string{`{"a":"2026-11-29T10:00-0200"}`, `{"a":"2026-11-29T11:00:00.000001Z"}`, `{"a":"2026-11-30"}`}, []string{`{"a":"2026-11-29T20:00:00+09"}`, `{"a":"2026-11-29T13:00:00+09:00"}`}},
		"sql: a moment":            {sql(ask(Eq, "a", `"2026-11-29T11:00:00.000Z"`)), []string{`{"a":"2026-11-29T11:00:00Z"}`, `{"a":"2026-11-29T20:00+09:00"}`, `{"a":1795950000000}`}, []string{`{"a":"2026-11-29T11:00:00.001Z"}`, `{"a":"2026-11-29"}`}},
		"sql: not a moment":        {sql(negate(ask(In, "a", `"2026-11-29T11:00:00.000Z"`, `"x"`))), []string{`{"a":"2026-11-29T11:00:00.001Z"}`, `{"a":"y"}`}, []string{`{"a":"2026-11-29T11:00:00Z"}`, `{"a":"x"}`, `{}`}},
		"sql: a moment in numbers": {sql(ask(Gte, "a", `"1795950000000"`)), []string{`{"a":"2026-11-29T20:00:00+09:00"}`, `{"a":1795950000000}`}, []string{`{"a":"2026-11-29T19:59:59+09:00"}`, `{"a":5}`}},
		"sql: between moments":     {sql(ask(Between, "a", `"2026-11-29"`, `"2026-11-30T00:00:00Z"`)), []string{`{"a":"2026-11-29T00:30:00Z"}`, `{"a":"2026-11-30T08:00:00+09:00"}`}, []string{`{"a":"2026-11-29T08:00:00+09:00"}`, `{"a":"2026-11-30T00:00:00.5Z"}`}},
		"sql: no such date":        {sql(ask(Gt, "a", `"2026-02-30T00:00:00+09:00"`)), []string{`{"a":"2026-02-30T00:00:00Z"}`}, []string{`{"a":"2026-02-28T00:00:00Z"}`}},
		"no moments by Mongo":      {ask(Lt, "a", `"2026-11-29T20:00:00+09:00"`), []string{`{"a":"2026-11-29T12:00:00.000Z"}`}, nil},
		"sql: in any case":         {sql(fold(ask(Eq, "a", `"ÄN5"`))), []string{`{"a":"än5"}`, `{"a":"ÄN5"}`}, []string{`{"a":"an5"}`, `{"a":"än55"}`, `{}`, `{"a":["än5"]}`}},
		"sql: a list has one":      {sql(ask(In, "a", `"x"`, `"5"`)), []string{`{"a":["y","x"]}`, `{"a":[5]}`}, []string{`{"a":["y"]}`, `{"a":[]}`, `{"a":[["x"]]}`}},
		"sql: a list has none":     {sql(negate(ask(In, "a", `"x"`))), []string{`{"a":["y"]}`, `{"a":[]}`}, []string{`{"a":["y","x"]}`, `{}`}},
		"sql: a list contains":     {sql(fold(ask(Contains, "a", `"X"`))), []string{`{"a":["yy","axa"]}`, `{"a":[1,"x"]}`}, []string{`{"a":["y"]}`, `{"a":[]}`}},
		"sql: a list contains not": {sql(negate(ask(Contains, "a", `"x"`))), []string{`{"a":["y"]}`, `{"a":[]}`}, []string{`{"a":["y","xy"]}`, `{}`}},
	} {
		cond := compiled(t, c.node)
		for want, docs := range map[bool][]string{true: c.yes, false: c.no} {
			for _, doc := range docs {
				if cond.Match([]byte(doc)) != want {
					t.Errorf("%s: %s matches %v", name, doc, !want)
				}
			}
		}
	}
}
