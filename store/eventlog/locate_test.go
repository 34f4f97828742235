package eventlog_test

import (
	"testing"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// FuzzLastEventID: whatever a client sends, it gets a position to go on from. The position is never after the newest
// one, and differs from what the client asked for only with a reason.
func FuzzLastEventID(f *testing.F) {
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		f.Fatal(err)
	}
	defer log.Close()
	for _, s := range []string{"", "0", "1", "9007199254740991", "99999999999999999", "-1", "1e3", "１", "1\x00", " 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		start, err := log.Locate("", id)
		if err != nil || start.After > log.Settled() || start.Gap == "" && len(id) > 16 {
			t.Fatalf("%q: %+v %v", id, start, err)
		}
	})
}
