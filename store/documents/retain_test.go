package documents_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/documents"
	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/pebble"
)

// Retention drops events. A document whose last event is dropped stays, also in its indexes, and can be changed.
func TestRetentionLeavesDocuments(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	var later atomic.Int64
	openLater := func() (*documents.Store, *eventlog.Log) {
		engine, err := pebble.Open(pebble.Options{
			Dir: "data", FS: disk, Retain: func(string) eventlog.Retention { return eventlog.Retention{Age: time.Hour.Microseconds()} },
			Source: logtest.SourceOf(func() time.Time { return time.Now().Add(time.Duration(later.Load())) }),
		})
		if err != nil {
			t.Fatal(err)
		}
		s, log := openOn(t, engine, documents.Options{Indexes: map[string][]string{"c": {"n"}}})
		return s, log
	}
	s, log := openLater()
	for i := range 10 {
		insert(t, s, "c", fmt.Sprint(i), fmt.Sprintf(`{"n":%d}`, i))
	}
	last := log.Settled()
	later.Store(int64(3 * time.Hour))
	insert(t, s, "other", "", `{}`) // ends the segment
	if err := log.Retain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if state, err := log.State(""); err != nil || state.Removed < last {
			t.Fatalf("removed up to %d, %v; want %d", state.Removed, err, last)
		}
		r, err := s.Find(context.Background(), "c", &documents.Query{Order: order("n"), Limit: 3, Skip: 2, Total: true})
		if err != nil || len(r.Documents) != 3 || documents.ID(r.Documents[0]) != "7" || r.Total != 10 {
			t.Fatalf("%d of %d, %v", len(r.Documents), r.Total, err)
		}
		_, err = s.Update(context.Background(), "c", "", []string{"5"}, false, func(_ string, own *documents.Fields) error {
			own.Set("n", []byte("7"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		closeLog(t, log)
		s, log = openLater()
	}
	closeLog(t, log)
}
