package logtest

import (
	"testing"
)

func testSpaces(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	other := event("a", "", "s")
	other.Space = "$db/x"
	put(t, log, event("a", "", "s"))
	id := put(t, log, other)
	check := func() {
		t.Helper()
		if got := all(t, log, everything(""), 0, 10); len(got) != 1 {
			t.Errorf("/realtime has %d events", len(got))
		}
		if got := all(t, log, everything("$db/x"), 0, 10); len(got) != 1 || got[0].ID != id || got[0].Space != "$db/x" {
			t.Errorf("the other space has %+v", got)
		}
	}
	check()
	closeLog(t, log)
	if o.Durable() {
		log, _ = open(t, o, Config{})
		check()
		closeLog(t, log)
	}
}
