package pebble_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

// tight is a disk in memory. Once it is full, it has little free space, and none for a compaction.
type tight struct {
	vfs.FS
	size atomic.Uint64
	full atomic.Bool
}

func (d *tight) GetDiskUsage(dir string) (vfs.DiskUsage, error) {
	used, size := d.used(dir), d.size.Load()
	return vfs.DiskUsage{AvailBytes: size - min(used, size), UsedBytes: used, TotalBytes: size}, nil
}

func (d *tight) used(dir string) (bytes uint64) {
	names, _ := d.List(dir)
	for _, name := range names {
		if info, err := d.Stat(d.PathJoin(dir, name)); err == nil {
			bytes += uint64(info.Size())
		}
	}
	return bytes
}

func (d *tight) fill(dir string, free uint64) {
	d.size.Store(d.used(dir) + free)
	d.full.Store(true)
}

func (d *tight) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if d.full.Load() && category == "pebble-compaction" {
		return nil, syscall.ENOSPC
	}
	return d.FS.Create(name, category)
}

func document(n int) string { return fmt.Sprintf("document/c/%04d", n) }

// putDocuments stores rows, compacts them and returns how many they are.
func putDocuments(t *testing.T, log *eventlog.Log, engine *pebble.Engine, bytes int) (n int) {
	t.Helper()
	for ; n*len(noise) < bytes; n++ {
		put(t, log, &eventlog.Request{Rows: []eventlog.Row{{Key: document(n), Value: noise}}})
	}
	if err := engine.CompactAll(); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDeletesFreeSpace: deletions one by one on a full disk free space, though there is none for a compaction.
func TestDeletesFreeSpace(t *testing.T) {
	t.Parallel()
	disk := &tight{FS: vfs.NewMem()}
	disk.size.Store(1 << 30)
	log, engine := openLog(t, pebble.Options{FS: disk}, eventlog.Options{})
	n := putDocuments(t, log, engine, 24<<20)
	for tries := 0; ; tries++ { // the engine removes files that the compaction has left over, by and by
		disk.fill("log", 4<<20)
		engine.Look()
		err := engine.Admit(&eventlog.Request{Events: make([]eventlog.Event, 1)})
		if eventlog.DiskFull(err) {
			break
		}
		if tries == 100 {
			t.Fatalf("it takes events: %v", err)
		}
	}
	kept := n / 2 // a document in the middle stays
	for i := range n {
		if i != kept {
			put(t, log, &eventlog.Request{Rows: []eventlog.Row{{Key: document(i)}}})
		}
	}
	healed(t, log)
	closeLog(t, log)
	again, engine := openLog(t, pebble.Options{FS: disk}, eventlog.Options{})
	defer closeLog(t, again)
	for i := range n {
		if value, err := engine.Row(document(i)); err != nil || (value != nil) != (i == kept) {
			t.Errorf("document %d: %d bytes, %v", i, len(value), err)
		}
	}
}

// between is a context that counts how often it is asked, which is before each table, and calls f the last time.
type between struct {
	context.Context
	asked, last int
	f           func()
}

func (b *between) Err() error {
	if b.asked++; b.asked == b.last {
		b.f()
	}
	return nil
}

// TestCoverKeepsNewRows: a row that is set while the engine looks for tables of deleted keys stays. The other tables
// are removed.
func TestCoverKeepsNewRows(t *testing.T) {
	t.Parallel()
	log, engine := openLog(t, pebble.Options{FS: vfs.NewMem()}, eventlog.Options{})
	defer closeLog(t, log)
	n := putDocuments(t, log, engine, 32<<20)
	for i := range n {
		put(t, log, &eventlog.Request{Rows: []eventlog.Row{{Key: document(i)}}})
	}
	count := &between{Context: t.Context()}
	deleted, err := engine.DeletedTables(count)
	if err != nil || deleted < 3 {
		t.Fatalf("%d tables have only deleted keys, %v", deleted, err)
	}
	set := n / 2
	ctx := &between{Context: t.Context(), last: count.asked, f: func() {
		put(t, log, &eventlog.Request{Rows: []eventlog.Row{{Key: document(set), Value: []byte("new")}}})
	}}
	if err := engine.Cover(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if value, err := engine.Row(document(i)); err != nil || (value != nil) != (i == set) {
			t.Errorf("document %d: %q, %v", i, value, err)
		}
	}
	gatewaytest.Until(t, func() error {
		left, err := engine.DeletedTables(t.Context())
		if err == nil && left > 0 {
			err = fmt.Errorf("%d of %d tables of deleted keys are left", left, deleted)
		}
		return err
	})
}
