package pebble

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// processFS answers the fsyncs of the WAL at once. What Pebble has written to the file is the
// kernel's then, and survives a kill of the process; a power cut can take the newest of it. Committing
// without Sync instead would leave up to 32 KiB in Pebble's own memory: with 16 publishers and kill -9,
// acknowledged events were lost in 7 of 8 rounds. Tables and the MANIFEST are synced as ever, and a WAL
// truly when it is closed.
type processFS struct{ vfs.FS }

func (f processFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return wal(name)(f.FS.Create(name, category))
}

func (f processFS) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return wal(name)(f.FS.ReuseForWrite(old, name, category))
}

func (f processFS) Unwrap() vfs.FS { return f.FS }

func wal(name string) func(vfs.File, error) (vfs.File, error) {
	return func(file vfs.File, err error) (vfs.File, error) {
		if err != nil || !strings.HasSuffix(name, ".log") {
			return file, err
		}
		return lateSync{file}, nil
	}
}

type lateSync struct{ vfs.File }

func (lateSync) Sync() error { return nil }

func (lateSync) SyncData() error { return nil }

func (f lateSync) Close() error {
	err := f.File.Sync()
	if cerr := f.File.Close(); err == nil {
		err = cerr
	}
	return err
}
