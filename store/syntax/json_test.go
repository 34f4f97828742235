package syntax

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// TestExplainJSON: where each text goes wrong, and what was expected there.
func TestExplainJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                    "it ends at byte 0, where a value was expected",
		` `:                   "it ends at byte 1, where a value was expected",
		`{`:                   "it ends at byte 1, where a name in double quotes, or } was expected",
		`{"a"`:                "it ends at byte 4, where a colon was expected",
		`{"a":`:               "it ends at byte 5, where a value was expected",
		`{"a":1`:              "it ends at byte 6, where a comma or } was expected",
		`{"a":1, `:            "it ends at byte 8, where a name in double quotes was expected",
		`{"a":1,}`:            "byte 8 is '}', where a name in double quotes was expected",
		`{"a" 1}`:             "byte 6 is '1', where a colon was expected",
		`{"a":1 "b":2}`:       "byte 8 is '\"', where a comma or } was expected",
		`{a:1}`:               "byte 2 is 'a', where a name in double quotes, or } was expected",
		`{'a':1}`:             "byte 2 is '\\'', where a name in double quotes, or } was expected",
		`{"a":undefined}`:     "byte 6 is 'u', where a value was expected",
		`{"a":[1,{"b":}]}`:    "byte 14 is '}', where a value was expected",
		`[`:                   "it ends at byte 1, where a value or ] was expected",
		`[1 2]`:               "byte 4 is '2', where a comma or ] was expected",
		`[1,]`:                "byte 4 is ']', where a value was expected",
		`]`:                   "byte 1 is ']', where a value was expected",
		`a=1&b=2`:             "byte 1 is 'a', where a value was expected",
		`ä`:                   "byte 1 is 'ä', where a value was expected",
		`{} x`:                "byte 4 is 'x', where nothing more was expected",
		`5 6`:                 "byte 3 is '6', where nothing more was expected",
		`01`:                  "byte 2 is '1', where nothing more was expected",
		`{"a":"x`:             "it ends at byte 7, within a value or a name",
		`{"a`:                 "it ends at byte 3, within a value or a name",
		`tru`:                 "it ends at byte 3, within a value or a name",
		`-`:                   "it ends at byte 1, within a value or a name",
		`"\x"`:                "invalid escape sequence `\\x` in string after offset 1",
		"\"\xff\"":            "invalid UTF-8 after offset 1",
		`{"a":1,"a":2}`:       `duplicate object member name "a"`,
		`{"b":{"a":1,"a":2}}`: `duplicate object member name "a" within "/b"`,
	} {
		v := jsontext.Value(text)
		if v.Compact(jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false)) == nil {
			t.Errorf("%q is JSON", text)
		}
		if got := ExplainJSON([]byte(text)); got != want {
			t.Errorf("%q: %s\nwant %s", text, got, want)
		}
	}
}
