package broker

import (
	"testing"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// TestOpened: a subscriber whose door says where it begins keeps nothing for its first frames.
func TestOpened(t *testing.T) {
	t.Parallel()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	b := New(log, Options{})
	for _, opened := range []bool{true, false} {
		s, err := b.Subscribe(Filter{Opened: opened}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.AppendOpening(nil); (len(got) == 0) != opened {
			t.Errorf("opened %v: %q", opened, got)
		}
		s.Close()
	}
}
