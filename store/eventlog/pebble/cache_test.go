package pebble_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

// Pebble takes the memory of memtables from the cache. When they have grown, the cache must still keep what was read.
func TestCacheBesideMemtables(t *testing.T) {
	t.Parallel()
	engine, err := pebble.Open(pebble.Options{Dir: t.TempDir()}) // with the default memtables, not the small ones of other tests
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog(t, log)
	random := rand.NewChaCha8([32]byte{1})
	const rows = 800 // of 60 KB: 48 MB, so that memtables reach their full size
	for i := range rows {
		value := make([]byte, 60_000)
		_, _ = random.Read(value)
		if _, err := log.Append(context.Background(), &eventlog.Request{Rows: []eventlog.Row{{Key: fmt.Sprintf("d%04d", i), Value: value}}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range rows {
		if v, err := log.Row(fmt.Sprintf("d%04d", i)); err != nil || len(v) != 60_000 {
			t.Fatalf("row %d: %d bytes, %v", i, len(v), err)
		}
	}
	if s := engine.Sizes(); s.Cache < 8<<20 || s.Cache > 64<<20 {
		t.Errorf("the cache has %d bytes of 48,000,000 that were read", s.Cache)
	}
}
