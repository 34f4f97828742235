package channel

import (
	"strings"
	"testing"
)

// TestNames checks the rules for names in docs/protocol.md.
func TestNames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		isName      bool
		isEventName bool
	}{
		{"", false, false},
		{"a", true, true},
		{"é 世界", true, true},
		{strings.Repeat("x", 127), true, true}, {strings.Repeat("x", 128), true, true}, {strings.Repeat("x", 129), false, false},
		{strings.Repeat("é", 64), true, true}, {strings.Repeat("é", 64) + "x", false, false},
		{"a\x00", false, false}, {"a\x1fb", false, false}, {"a\nb", false, false}, {"a b", true, true},
		{"a\x7eb", true, true}, {"a\x7fb", false, false}, {"a\u009fb", false, false}, {"a\u00a0b", true, true},
		{"a\u2027b", true, true}, {"a\u2028b", false, false}, {"a\u2029b", false, false}, {"a\u202ab", true, true},
		{" a", false, false}, {"a ", false, false}, {"\u00a0a", false, false}, {"a\u3000", false, false}, {"a\u0085", false, false},
		{"a:b", false, false}, {"a*", false, false}, {"a,b", false, false},
		{"a\xff", false, false}, {"\xed\xa0\x80", false, false}, {"\xc0\xaf", false, false},
		{`a"\b`, true, true}, {"a.b/c-d_e", true, true},
		{"$a", true, false}, {"a$", true, true}, {"$", true, false},
		{"Ping", true, true}, {"pings", true, true}, {"put", true, true},
	}
	for _, reserved := range []string{"ping", "init", "gap", "live", "end", "expired", "busy", "publish", "error", "open", "message", "close"} {
		tests = append(tests, struct {
			name                string
			isName, isEventName bool
		}{reserved, true, false})
	}
	for _, tt := range tests {
		if err := CheckName(tt.name); (err == nil) != tt.isName {
			t.Errorf("name %q: %v", tt.name, err)
		}
		if err := CheckEvent(tt.name); (err == nil) != tt.isEventName {
			t.Errorf("event %q: %v", tt.name, err)
		}
	}
}

// TestMethods: there are three methods, in any case, and patch, which counts as put.
func TestMethods(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, left, delivered string }{
		{"post", "POST", "post"}, {"POST", "POST", "post"}, {"pOsT", "POST", "post"},
		{"put", "PUT", "put"}, {"Put", "PUT", "put"}, {"patch", "PUT", "put"}, {"PATCH", "PUT", "put"},
		{"delete", "DELETE", "delete"}, {"DELETE", "DELETE", "delete"},
		{"", "", ""}, {"pos", "", "pos"}, {"posts", "", "posts"}, {"deletes", "", "deletes"}, {"get", "", "get"}, {"head", "", "head"}, {"GOAL", "", "GOAL"},
		{"poſt", "", "poſt"}, {"ｐｕｔ", "", "ｐｕｔ"}, {"PO\u017fT", "", "PO\u017fT"},
	}
	for _, tt := range tests {
		left, isMethod := Method(tt.name)
		if left != tt.left || isMethod != (tt.left != "") || isMethod != IsMethod(left) {
			t.Errorf("%q is the method %q, %v", tt.name, left, isMethod)
		}
		if name, method := Event(tt.name); name != tt.delivered || method != isMethod {
			t.Errorf("%q is delivered as %q, %v", tt.name, name, method)
		}
		if !isMethod {
			left = tt.name
		}
		if c := Of("$db/x", tt.name, "c"); c != (Channel{"$db/x", left, "c"}) {
			t.Errorf("%q is on %+v", tt.name, c)
		}
	}
}

func TestChannelString(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Channel{
		"PUT:customer":  Of("", "patch", "customer"),
		"goal":          Of("", "goal", ""),
		"goal:c":        Of("", "goal", "c"),
		"$db/x:deposit": Of("$db/x", "deposit", ""),
	} {
		if got := c.String(); got != want {
			t.Errorf("%+v is spelled %q, want %q", c, got, want)
		}
	}
}
