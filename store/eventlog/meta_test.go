package eventlog

import (
	"strings"
	"testing"
)

// TestConnections: a connection is read as it was written, and nothing else is read as one.
func TestConnections(t *testing.T) {
	t.Parallel()
	a, b := NewConnection(), NewConnection()
	if a == b || a == (Connection{}) {
		t.Errorf("%v and %v", a, b)
	}
	if back, ok := ParseConnection(a.String()); !ok || back != a {
		t.Errorf("%v was read as %v", a, back)
	}
	for _, text := range []string{
		"", "a", strings.Repeat("A", 21), strings.Repeat("A", 23), strings.Repeat("A", 21) + "=", strings.Repeat("A", 21) + "B", strings.Repeat("A", 21) + "+",
		strings.Repeat("A", 20) + "é", strings.Repeat("A", 21) + "\n",
	} {
		if c, ok := ParseConnection(text); ok {
			t.Errorf("%q was read as %v", text, c)
		}
	}
}

// TestExcept: only an event of /realtime's own space that was made so leaves out a connection.
func TestExcept(t *testing.T) {
	t.Parallel()
	a := NewConnection()
	var e Event
	e.LeaveOut(a)
	if e.Except() != a {
		t.Errorf("%v, not %v", e.Except(), a)
	}
	elsewhere := e
	elsewhere.Space = "$db/x"
	for _, other := range []Event{{}, {Meta: []byte("p")}, {Meta: e.Meta[:16]}, {Meta: append([]byte{MetaAll}, a[:]...)}, elsewhere} {
		if other.Except() != (Connection{}) {
			t.Errorf("%v leaves out %v", other, other.Except())
		}
	}
}
