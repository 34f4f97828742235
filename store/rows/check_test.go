package rows

import (
	"errors"
	"testing"
)

// TestKindsAreAll: Check accepts the rows of each declared prefix, and of no other.
func TestKindsAreAll(t *testing.T) {
	all := declared(t)
	for name, prefix := range all {
		if _, registered := kinds[prefix]; !registered {
			t.Errorf("kinds has no %s (%q)", name, prefix)
		}
	}
	if len(kinds) != len(all) {
		t.Errorf("there are %d kinds, but %d prefixes", len(kinds), len(all))
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		key, value string
		want       error
	}{
		{"document/a/b/c", `{}`, nil},
		{"document/a", `{`, ErrJSON},
		{"db/a/x/y", `[1]`, nil},
		{"db/a/x/y", ``, ErrJSON},
		{"db/n/x/y", ``, nil},
		{"revoked/jti/x", `12`, nil},
		{"db/x/y", ``, ErrPrefix},
		{"", ``, ErrPrefix},
		{"document", `{}`, ErrPrefix},
		{"/", ``, ErrPrefix},
	} {
		if err := Check(tt.key, []byte(tt.value)); !errors.Is(err, tt.want) {
			t.Errorf("%q: %v, want %v", tt.key, err, tt.want)
		}
	}
}
