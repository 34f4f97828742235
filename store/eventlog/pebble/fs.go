package pebble

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// walFS is how Pebble sees the WAL. In the durability `process` its fsyncs are answered at once: what
// Pebble has written to the file is the kernel's then, and survives a kill of the process; a power cut can
// take the newest of it. Committing without Sync instead would leave up to 32 KiB in Pebble's own memory:
// with 16 publishers and kill -9, acknowledged events were lost in 7 of 8 rounds. Tables and the MANIFEST
// are synced as ever, and a WAL truly when it is closed.
//
// Whatever fails here ends the engine at once: some of it Pebble would answer, while it changes from one
// WAL to the next, with a panic that leaves its mutex unlocked, which nothing can recover from.
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

// walDir is the folder: a WAL is made when the folder is synced.
type walDir struct {
	vfs.File
	state *condition
}

func (f walDir) Sync() error { return f.state.endBy(f.File.Sync()) }

// waitFS waits for room where a full disk would end the log: Pebble takes an error of the WAL or the
// MANIFEST as fatal, but the cause passes. Publishers that wait get their 503 from the Log meanwhile. Tables
// Pebble tries to write again by itself; it has to wait before each try. Nothing is retried after a failed fsync.
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

// roomEvery is how often a full disk is tried again.
const roomEvery = 50 * time.Millisecond

// openMost is how long opening waits for room.
const openMost = 10 * time.Second

// untilRoom tries until there is room, or the engine is closing: then the error ends it.
func (c *condition) untilRoom(try func() error) error {
	err := try()
	for began := time.Now(); errors.Is(err, syscall.ENOSPC); {
		c.checkSpace()
		if !c.running.Load() && time.Since(began) > openMost {
			return err
		}
		if c.setBackground(err) {
			c.options.Logger.Error("the disk is full; publishes are refused until there is room", "cause", err)
		}
		select {
		case <-c.quit:
			return err
		case <-time.After(roomEvery):
		}
		if err = try(); err == nil && c.setBackground(nil) {
			c.options.Logger.Info("there is room on the disk again")
		}
	}
	return err
}
