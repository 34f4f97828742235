package pebble

import (
	"context"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
)

// Small sets memtables that are soon full, so that tables, a new WAL and the MANIFEST are written within a few
// requests.
func Small(o Options) Options {
	o.MemTable = 1 << 20
	return o
}

// ForgetClock removes the time from a closed log, as older versions had none.
func ForgetClock(t *testing.T, o Options) {
	t.Helper()
	o.Dir = "log"
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	close(e.quit)
	e.group.Wait()
	if err := errors.Join(e.db.Delete(anchorKey, pebble.Sync), e.db.Delete(marksKey, pebble.Sync), e.db.Close(), e.unlock()); err != nil {
		t.Fatal(err)
	}
}

// StoredAnchor is the newest anchor in the store.
func StoredAnchor(t *testing.T, e *Engine) *eventlog.Anchor {
	t.Helper()
	v, err := e.value(anchorKey)
	if err != nil {
		t.Fatal(err)
	}
	a, err := eventlog.ReadAnchor(v)
	if err != nil || a == nil {
		t.Fatal(a, err)
	}
	return a
}

// DamageOf is the bytes and commits after damage in the newest write-ahead log of a folder.
func DamageOf(dir string, fs vfs.FS) (bytes int64, commits int) {
	d := findDamage(dir, fs)
	return d.bytes, d.commits
}

// Look looks at the free space now.
func (e *Engine) Look() { e.state.checkSpace() }

// CompactAll compacts all keys.
func (e *Engine) CompactAll() error {
	return e.db.Compact(context.Background(), []byte{0}, []byte{0xff}, false)
}

// everything is the range of all keys.
var everything = []keyRange{{[]byte{0}, []byte{0xff}}}

// DeletedTables is the number of tables in which every key is deleted.
func (e *Engine) DeletedTables(ctx context.Context) (int, error) {
	tables, err := e.deletedTables(ctx, everything)
	return len(tables), err
}

// Cover makes Pebble remove all tables in which every key is deleted.
func (e *Engine) Cover(ctx context.Context) error {
	if _, err := e.cover(ctx, everything); err != nil {
		return err
	}
	return e.flush(context.Background())
}
