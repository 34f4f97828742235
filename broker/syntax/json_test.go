package syntax

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                       `line 1, column 1: expected a value, but the text ends too early`,
		`{`:                      `line 1, column 2: expected a name in double quotes or "}", but the text ends too early`,
		`{"a"`:                   `line 1, column 5: expected ":", but the text ends too early`,
		`{"a":`:                  `line 1, column 6: expected a value, but the text ends too early`,
		`{"a":1`:                 `line 1, column 7: expected "," or "}", but the text ends too early`,
		`{"a":1,}`:               `line 1, column 8: expected a name in double quotes, but there is '}'`,
		`{a:1}`:                  `line 1, column 2: expected a name in double quotes or "}", but there is 'a'`,
		`{'a':1}`:                `line 1, column 2: expected a name in double quotes or "}", but there is '\''`,
		`{"a" 1}`:                `line 1, column 6: expected ":", but there is '1'`,
		"{\n  \"ä\": 1\n  \"b\"": `line 3, column 3: expected "," or "}", but there is '"'`,
		`[1,]`:                   `line 1, column 4: expected a value, but there is ']'`,
		`[`:                      `line 1, column 2: expected a value or "]", but the text ends too early`,
		`{} {}`:                  `line 1, column 4: expected nothing more behind the first value, but there is '{'`,
		`event=x`:                `line 1, column 1: expected a value, but there is 'e'`,
		`"abc`:                   `line 1, column 1: what begins here has no end: the text ends too early`,
		`{"a":1,"a":2}`:          `line 1, column 8: the name "a" is there twice`,
		`{}`:                     `it is valid`,
	} {
		v := jsontext.Value(text)
		err := v.Compact(jsontext.AllowDuplicateNames(false))
		if err == nil {
			err = errors.New("json: it is valid")
		}
		if got := JSON([]byte(text), err); got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

// Whatever is refused gets an explanation, without a library's name, and what is JSON gets none.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{"a":[1,true,null,"x"]}`, `{"a":tru}`, `[01]`, "\"\xff\"", `{"\ud800":1}`, `-`, `{"a":1:2}`, "\x00"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v := jsontext.Value(append([]byte{}, text...))
		err := v.Compact(jsontext.AllowDuplicateNames(false))
		if err == nil {
			return
		}
		if got := JSON(text, err); got == "" || strings.Contains(got, "jsontext") {
			t.Errorf("%q: %q, for %v", text, got, err)
		}
	})
}
