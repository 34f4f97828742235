package object_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"sluice/auth/object"
)

// FuzzMembers: what a token's JSON means is what encoding/json says, except that a field may not occur twice.
func FuzzMembers(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a":1}`, ` { "a" : [ 1 , {"b":2,"b":3} ] , "c":"\u0041\ud800" } `, `{"a":1,"\u0061":2}`, `{"a":1}x`, `{"a":1} {}`, `{"a":1,}`,
		`{"a" 1}`, `[]`, `null`, `"a"`, ``, `{`, `{"a":01}`, `{"a":1e400}`, "{\"a\xff\":\"\xff\"}", "{\"a\":\"\n\"}", `{"a":["x","y"]}`, `{"a":["x",null]}`,
		`{"a":["x",1]}`, `{"a":"x"}`, "\ufeff{}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := object.Members(text)
		var want map[string]json.RawMessage
		valid := json.Unmarshal(text, &want) == nil && want != nil
		if err != nil {
			if valid && err.Error() != "a field occurs twice" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if !valid || !maps.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("%q: %q, want %q", text, got, want)
		}
		for _, v := range got {
			list, ok := object.Strings(v)
			var texts []*string
			lists := v[0] == '[' && json.Unmarshal(v, &texts) == nil && !slices.Contains(texts, nil)
			if ok != lists || !ok && list != nil || ok && !slices.EqualFunc(list, texts, func(a string, b *string) bool { return a == *b }) {
				t.Fatalf("%q: %q %v, want %v", v, list, ok, lists)
			}
		}
	})
}
