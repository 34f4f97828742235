package syntax

import (
	"encoding/json"
	"testing"
)

// Any text is quoted as encoding/json quotes it.
func FuzzAppendText(f *testing.F) {
	for _, s := range []string{"", "plain", `"`, `\`, "line\nend", "\x00", "\x7f", "ü", "<&>", "\u2028", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got, want string
		text := AppendText([]byte("before "), s)[len("before "):]
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		marshaled, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(marshaled, &want); err != nil || got != want {
			t.Errorf("%q is read as %q, want %q (%v)", text, got, want, err)
		}
	})
}
