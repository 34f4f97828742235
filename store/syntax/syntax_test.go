package syntax

import (
	"bytes"
	stdjson "encoding/json"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-json-experiment/json/jsontext"
)

// The text names no library and no Go type, but says what is wrong and where.
func TestExplain(t *testing.T) {
	t.Parallel()
	text := func(s string) error {
		v := jsontext.Value(s)
		return v.Compact(jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false))
	}
	into := func(s string) error {
		type inner struct {
			Password *string `json:"password"`
		}
		var to struct {
			Name string   `json:"name"`
			Sub  []string `json:"sub"`
			inner
		}
		d := stdjson.NewDecoder(bytes.NewReader([]byte(s)))
		d.DisallowUnknownFields()
		return d.Decode(&to)
	}
	for _, one := range []struct {
		err  error
		want string
	}{
		{text(`{`), "it ends too early"},
		{text(``), "it ends too early"},
		{text(`{"a":1,"a":2}`), `duplicate object member name "a"`},
		{text(`[x]`), `invalid character 'x' at start of value within "/0" after offset 1`},
		{text("\"\xff\""), `invalid UTF-8 after offset 1`},
		{into(`{`), "it ends too early"},
		{into(``), "it ends too early"},
		{into(`x`), "invalid character 'x' looking for beginning of value"},
		{into(`[]`), "it must not be an array"},
		{into(`{"name":1}`), `field "name" must not hold a number`},
		{into(`{"sub":[1]}`), `field "sub" must not hold a number`},
		{into(`{"password":{}}`), `field "password" must not hold an object`},
		{into(`{"nonsense":1}`), `unknown field "nonsense"`},
		{cbor.Wellformed([]byte{0x1c}), "invalid additional information 28 for type positive integer"},
		{cbor.Wellformed([]byte{0x62, 'a'}), "it ends too early"},
		{cbor.Unmarshal([]byte{0xc0, 0x80}, new(any)), "tag number 0 must be followed by text string, got array"},
		{cbor.Unmarshal([]byte{0x61, 0x61}, new(int)), "cannot unmarshal UTF-8 text string"},
	} {
		got := Explain(one.err)
		if got != one.want {
			t.Errorf("%v: %q, want %q", one.err, got, one.want)
		}
		for _, name := range []string{"json:", "jsontext", "cbor:", "struct", "Go ", "inner"} {
			if strings.Contains(got, name) {
				t.Errorf("%q holds %q", got, name)
			}
		}
	}
}
