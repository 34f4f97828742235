package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
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

// Whatever the bytes are, what is left is text without control characters; and JSON stays the same JSON.
func TestHarmlessModel(t *testing.T) {
	t.Parallel()
	piece := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"\x1b[31m", "\u009b", "\u202e", "\xff", "\U000e0041", "\u2028", `\u001b`, "\uFFFD", "\n", "\r"}))
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(piece).Draw(t, "pieces"), "")
		got := harmless(text)
		for _, r := range got {
			if unicode.Is(unicode.Cc, r) && r != '\n' && r != '\t' || r == '\u202e' {
				t.Fatalf("%q became %q", text, got)
			}
		}
		if !utf8.ValidString(got) || strings.Contains(oneLine(text), "\n") {
			t.Fatalf("%q became %q", text, got)
		}
		document, err := json.Marshal(strings.ToValidUTF8(text, "?"))
		if err != nil {
			t.Fatal(err)
		}
		document = bytes.ReplaceAll(document, []byte(`\u2028`), []byte("\u2028")) // as a client may have sent it
		var before, after string
		if err := errors.Join(json.Unmarshal(document, &before), json.Unmarshal([]byte(harmless(string(document))), &after)); err != nil || before != after {
			t.Fatalf("%q became %q: %v", before, after, err)
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
