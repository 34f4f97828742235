package eventlog_test

import (
	"context"
	"strings"
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
		start, err := log.Locate(context.Background(), "", id)
		if err != nil || start.After > log.Settled() || start.Gap == "" && len(id) > 16 {
			t.Fatalf("%q: %+v %v", id, start, err)
		}
	})
}

// TestParseID: an id is 1 to 16 digits, and nothing that strconv takes beside.
func TestParseID(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{
		"0": 0, "7": 7, "0007": 7, "1795219523000053": 1795219523000053, strings.Repeat("9", 16): 9999999999999999,
	} {
		if id, ok := eventlog.ParseID(text); !ok || id != want {
			t.Errorf("%q: %d, %t", text, id, ok)
		}
	}
	for _, text := range []string{"", strings.Repeat("1", 17), "+1", "-1", "1_0", "0x1", " 1", "1\n", "1.0", "x", "١"} {
		if id, ok := eventlog.ParseID(text); ok {
			t.Errorf("%q is the id %d", text, id)
		}
	}
}
