package pebble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
)

// Inspection is a log folder that is open for reading only. It begins no run, stores no anchor, and changes no file. The
// newest write-ahead log is read into memory instead of into tables.
type Inspection struct {
	engine *Engine
	last   uint64 // the last id; Verify reads it
}

// ErrNoLog is the error of Inspect for a folder that has no log.
var ErrNoLog = errors.New("the folder has no log")

// HasLog reports whether a folder has files of a log.
func HasLog(dir string) bool { return hasLog(dir, vfs.Default) }

func hasLog(dir string, fs vfs.FS) bool {
	names, err := fs.List(dir)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(names, func(name string) bool {
		number, isTable := strings.CutSuffix(name, ".sst")
		if _, err := strconv.ParseUint(strings.TrimSuffix(number, ".log"), 10, 64); err == nil && (isTable || isWAL(name)) {
			return true
		}
		return strings.HasPrefix(name, markManifest) || strings.HasPrefix(name, "MANIFEST-")
	})
}

// Inspect opens the log in a folder for reading only. The error is eventlog.ErrLocked if a gateway runs in the folder.
// No gateway can start there before Close.
func Inspect(o Options) (*Inspection, error) {
	e := newEngine(o)
	o = e.options
	if !hasLog(o.Dir, o.FS) {
		return nil, fmt.Errorf("%w: %s", ErrNoLog, o.Dir)
	}
	locks, err := shareFolder(o.Dir, o.FS)
	if err != nil {
		return nil, err
	}
	e.options.FS = readFS{o.FS}
	e.options.MemTable = largestTable
	e.folder = &folder{}
	e.lock, err = pebble.LockDirectory(o.Dir, lockedFS{e.options.FS, locks})
	if err != nil {
		return nil, errors.Join(err, locks.Close())
	}
	e.state = newCondition(e.options, e.quit)
	e.readOnly = true
	if err := e.openTables(); err != nil {
		return nil, errors.Join(e.cure(err), e.unlock())
	}
	return &Inspection{engine: e}, nil
}

// Close ends the inspection.
func (i *Inspection) Close() error {
	e := i.engine
	if e.state.dead() {
		return nil // Pebble may be locked for ever
	}
	return errors.Join(e.db.Close(), e.unlock())
}

// View calls f with the rows of the log. Call it after Verify.
func (i *Inspection) View(ctx context.Context, f func(eventlog.View) error) error {
	s := i.engine.db.NewSnapshot()
	return errors.Join(f(&view{ctx: ctx, snapshot: s, position: i.last}), s.Close())
}

// Applied is how far the log has come.
func (i *Inspection) Applied() (eventlog.Applied, error) {
	if err := i.engine.loadApplied(); err != nil {
		return eventlog.Applied{}, fmt.Errorf("reading how far the log has come: %w", err)
	}
	return i.engine.applied, nil
}

// Digest returns the digest of the log: see eventlog.Digest.
func (i *Inspection) Digest(ctx context.Context, progress func(done, total int64)) (sum [32]byte, err error) {
	if err := i.engine.load(); err != nil {
		return sum, fmt.Errorf("reading the log's own state: %w", err)
	}
	return eventlog.Digest(ctx, i.engine, progress)
}

// errReadOnly is the error of everything that would change the folder.
var errReadOnly = errors.New("the folder is open for reading only")

// readFS refuses to change files.
type readFS struct{ vfs.FS }

func (readFS) Create(string, vfs.DiskWriteCategory) (vfs.File, error) { return nil, errReadOnly }

func (readFS) Link(string, string) error { return errReadOnly }

func (readFS) OpenReadWrite(string, vfs.DiskWriteCategory, ...vfs.OpenOption) (vfs.File, error) {
	return nil, errReadOnly
}

func (readFS) Remove(string) error { return errReadOnly }

func (readFS) RemoveAll(string) error { return errReadOnly }

func (readFS) Rename(string, string) error { return errReadOnly }

func (readFS) ReuseForWrite(string, string, vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, errReadOnly
}

func (readFS) MkdirAll(string, os.FileMode) error { return errReadOnly }

func (readFS) Lock(string) (io.Closer, error) { return nil, errReadOnly }

func (f readFS) Unwrap() vfs.FS { return f.FS }

// lockedFS is a file system whose lock is taken already. Pebble would make the file LOCK.
type lockedFS struct {
	vfs.FS
	locks io.Closer
}

func (f lockedFS) Lock(string) (io.Closer, error) { return f.locks, nil }

// locks are files that are locked while they are open.
type locks []io.Closer

func (l locks) Close() (err error) {
	for _, one := range l {
		err = errors.Join(err, one.Close())
	}
	return err
}

// shareFolder takes shared locks on the folder and on its file LOCK, without making one. Each excludes a gateway, which
// locks both for itself. The file may be missing: a backup has none.
func shareFolder(dir string, fs vfs.FS) (io.Closer, error) {
	if fs != vfs.Default {
		return locks{}, nil // of a test
	}
	var all locks
	for _, path := range [...]string{dir, filepath.Join(dir, "LOCK")} {
		one, err := shareFile(path)
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		if one != nil {
			all = append(all, one)
		}
	}
	return all, nil
}

func inUseError(path string) error {
	return fmt.Errorf("%w: %s; stop the gateway that runs there, or verify a backup", eventlog.ErrLocked, path)
}
