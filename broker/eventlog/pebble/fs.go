package pebble

import (
	"errors"
	"strings"
	"syscall"
	"time"

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

// waitFS waits for room where a full disk would end the log: Pebble takes an error of the WAL or the
// MANIFEST as fatal, but the cause passes. Publishers that wait get their 503 from the Log meanwhile. Tables
// are left to Pebble, which tries again by itself. Nothing is retried after a failed fsync.
type waitFS struct {
	vfs.FS
	state *condition
}

func (f waitFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.wait(name, func() (vfs.File, error) { return f.FS.Create(name, category) })
}

func (f waitFS) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.wait(name, func() (vfs.File, error) { return f.FS.ReuseForWrite(old, name, category) })
}

func (f waitFS) Unwrap() vfs.FS { return f.FS }

func (f waitFS) wait(name string, open func() (vfs.File, error)) (vfs.File, error) {
	if !strings.HasSuffix(name, ".log") && !strings.Contains(f.PathBase(name), "MANIFEST") {
		return open()
	}
	var file vfs.File
	err := f.state.untilRoom(func() (err error) {
		file, err = open()
		return err
	})
	if err != nil {
		return nil, err
	}
	return waitFile{file, f.state}, nil
}

type waitFile struct {
	vfs.File
	state *condition
}

func (f waitFile) Write(p []byte) (int, error) {
	written := 0
	err := f.state.untilRoom(func() error {
		n, err := f.File.Write(p[written:])
		written += n
		return err
	})
	return written, err
}

// roomEvery is how often a full disk is tried again.
const roomEvery = 50 * time.Millisecond

func (c *condition) untilRoom(try func() error) error {
	err := try()
	for errors.Is(err, syscall.ENOSPC) {
		if c.setBackground(err) {
			c.options.Logger.Error("the disk is full; publishes are refused until there is room", "cause", err)
		}
		time.Sleep(roomEvery)
		if err = try(); err == nil && c.setBackground(nil) {
			c.options.Logger.Info("there is room on the disk again")
		}
	}
	return err
}
