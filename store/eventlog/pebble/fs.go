package pebble

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// walFS is the file system that Pebble sees. With the durability `process`, fsyncs of the WAL return at once: the
// kernel already has what Pebble has written, so it survives a kill of the process. A power cut can take the newest
// part. Committing without Sync is no alternative: it leaves up to 32 KiB in Pebble's own memory. With 16 publishers
// and kill -9, acknowledged events were lost in 7 of 8 rounds. Tables and the MANIFEST are synced as usual, and a WAL
// when it is closed.
//
// Any failure here ends the engine at once. While Pebble changes from one WAL to the next, it answers some failures
// with a panic that leaves its mutex unlocked, which nothing can recover from.
type walFS struct {
	vfs.FS
	state *condition
}

func (f walFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, category)
	return f.wal(name, file, err)
}

func (f walFS) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(old, name, category)
	return f.wal(name, file, err)
}

func (f walFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return walDir{file, f.state}, nil
}

func (f walFS) Unwrap() vfs.FS { return f.FS }

func (f walFS) wal(name string, file vfs.File, err error) (vfs.File, error) {
	if !isWAL(name) {
		return file, err
	}
	if err != nil {
		return nil, f.state.endBy(err)
	}
	return walFile{file, f.state}, nil
}

func isWAL(name string) bool { return strings.HasSuffix(name, ".log") }

type walFile struct {
	vfs.File
	state *condition
}

func (f walFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.state.endBy(err)
}

func (f walFile) Sync() error {
	if f.state.answersAtOnce() {
		return nil
	}
	return f.state.endBy(f.File.Sync())
}

func (f walFile) SyncData() error {
	if f.state.answersAtOnce() {
		return nil
	}
	return f.state.endBy(f.File.SyncData())
}

func (f walFile) Close() error {
	return f.state.endBy(errors.Join(f.File.Sync(), f.File.Close()))
}

// walDir is the folder. A new WAL exists for good only when the folder is synced.
type walDir struct {
	vfs.File
	state *condition
}

func (f walDir) Sync() error { return f.state.endBy(f.File.Sync()) }

// waitFS waits for free space where a full disk would end the log: Pebble takes an error of the WAL or the MANIFEST as
// fatal, but a full disk may pass. Publishers that wait get their 503 from the Log meanwhile. Pebble itself writes
// tables again; waitFS makes it wait before each try. Nothing is tried again after a failed fsync.
type waitFS struct {
	vfs.FS
	state *condition
}

func (f waitFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if category == flushing || category == compacting {
		return f.createTable(name, category)
	}
	return f.wait(name, func() (vfs.File, error) { return f.FS.Create(name, category) })
}

func (f waitFS) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.wait(name, func() (vfs.File, error) { return f.FS.ReuseForWrite(old, name, category) })
}

func (f waitFS) Unwrap() vfs.FS { return f.FS }

func (f waitFS) wait(name string, open func() (vfs.File, error)) (vfs.File, error) {
	if !isWAL(name) && !strings.Contains(f.PathBase(name), "MANIFEST") {
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

// roomEvery is the time between two tries on a full disk.
const roomEvery = 50 * time.Millisecond

// openMost is how long opening waits for free space.
const openMost = 10 * time.Second

// untilRoom calls try until the disk is no longer full. If the engine is closing, it returns the error.
func (c *condition) untilRoom(try func() error) error {
	err := try()
	for began := time.Now(); errors.Is(err, syscall.ENOSPC); {
		c.checkSpace()
		if !c.running.Load() && time.Since(began) > openMost {
			return err
		}
		if c.setBackground(err) {
			c.options.Logger.Error("the disk is full; publishes are refused until space is free", "cause", err)
		}
		select {
		case <-c.quit:
			return err
		case <-time.After(roomEvery):
		}
		if err = try(); err == nil && c.setBackground(nil) {
			c.options.Logger.Info("the disk has free space again")
		}
	}
	return err
}
