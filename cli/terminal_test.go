package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// No text can change a terminal, or hide or reorder what is on it.
func TestHarmless(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"plain, Grüße, 日本語, 👩\u200d💻", "plain, Grüße, 日本語, 👩\u200d💻"},
		{"a\nb\tc", "a\nb\tc"},
		{"\x1b[2J\x1b]0;title\a", `\u001b[2J\u001b]0;title\u0007`},
		{"\u009b31m", `\u009b31m`},
		{"a\rb\x00\x7f\b", `a\u000db\u0000\u007f\u0008`},
		{"user\u202etxt.exe", `user\u202etxt.exe`},
		{"\u2066x\u2069\u200b\ufeff\u2028", `\u2066x\u2069\u200b\ufeff\u2028`},
		{"\U000e0041tag", `\udb40\udc41tag`},
		{"\xff\xc2", `\ufffd\ufffd`},
	} {
		if got := harmless(tt.text); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
	if got := oneLine("a\nb\tc"); got != `a\nb\tc` {
		t.Errorf("got %q", got)
	}
}

func FuzzHarmless(f *testing.F) {
	for _, text := range []string{"a", "\x1b[31m", "\u009b", "\u202e", "\xff", "\U000e0041", "\"\\u001b\""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := harmless(text)
		for _, r := range got {
			if unicode.Is(unicode.Cc, r) && r != '\n' && r != '\t' || r == '\u202e' || r >= 0x80 && r < 0xa0 {
				t.Fatalf("%q became %q", text, got)
			}
		}
		if !utf8.ValidString(got) || strings.Contains(oneLine(text), "\n") {
			t.Fatalf("%q became %q", text, got)
		}
		if !json.Valid([]byte(text)) || !utf8.ValidString(text) {
			return
		}
		var before, after any
		if json.Unmarshal([]byte(text), &before) != nil {
			return
		}
		if err := json.Unmarshal([]byte(got), &after); err != nil {
			t.Fatalf("%q became %q: %v", text, got, err)
		}
		x, _ := json.Marshal(before)
		y, _ := json.Marshal(after)
		if !bytes.Equal(x, y) {
			t.Fatalf("%q became %q, which is other JSON", text, got)
		}
	})
}

func TestUseColors(t *testing.T) {
	for _, tt := range []struct {
		when string
		want bool
	}{{colorAlways, true}, {colorNever, false}, {colorAuto, false}} { // a buffer is no terminal
		if got := useColors(tt.when, &bytes.Buffer{}); got != tt.want {
			t.Errorf("%s: %v", tt.when, got)
		}
	}
	if got := paint(false).channel("a"); got != "a" {
		t.Errorf("without colours: %q", got)
	}
	if a, b := paint(true).channel("a"), paint(true).channel("a"); a != b || !strings.HasPrefix(a, "\x1b[") || !strings.HasSuffix(a, "a\x1b[0m") {
		t.Errorf("%q %q", a, b)
	}
}
