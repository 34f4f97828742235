package pebble

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"sluice/store/eventlog"
)

func (e *Engine) open() error {
	o := &e.options
	if err := o.FS.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("making the folder %s: %w", o.Dir, err)
	}
	lock, err := pebble.LockDirectory(o.Dir, o.FS)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("making the file LOCK in %s: %w; give this user the right to write there, free space on the disk, or set another DATA_DIR", o.Dir, err)
	}
	if err != nil {
		return lockedError(o.Dir, err)
	}
	if e.folder, err = openFolder(o.Dir, o.FS); err != nil {
		return errors.Join(err, lock.Close())
	}
	e.lock = lock
	e.fitVolume()
	e.state = newCondition(*o, e.quit)
	e.state.makeRoom = e.kickKeep
	e.state.checkSpace()
	if err := e.openTables(); err != nil {
		return errors.Join(e.cure(err), e.unlock())
	}
	return nil
}

func lockedError(dir string, cause error) error {
	return fmt.Errorf("%w: %s; stop that process, or set another DATA_DIR (%w)", eventlog.ErrLocked, dir, cause)
}

func (e *Engine) unlock() error { return errors.Join(e.lock.Close(), e.folder.release()) }

// fitVolume chooses the size of memtables for the volume. The levels of free space are multiples of it.
func (e *Engine) fitVolume() {
	o := &e.options
	most := cmp.Or(o.MemTable, uint64(largestTable)) // what the memory allows, or what a test wants
	o.MemTable = most
	usage, err := o.FS.GetDiskUsage(o.Dir)
	if err != nil {
		return
	}
	if o.MemTable = min(most, tableFor(usage.TotalBytes)); o.MemTable < most {
		l := levelsOf(*o)
		o.Logger.Warn("the volume is small, so publishing is slower", "folder", o.Dir, "volume_mib", usage.TotalBytes>>20, "better_mib", largestTable*tableShare>>20,
			"memtable_kib", o.MemTable>>10, "refuses_under_mib", l.refuse>>20, "kept_mib", l.spare>>20)
	}
	if least := uint64(2*(takeTables+spareTables)) * o.MemTable; usage.TotalBytes < least {
		o.Logger.Warn("the volume is too small for the reserve that a full disk needs", "folder", o.Dir, "volume_mib", usage.TotalBytes>>20, "needs_mib", least>>20)
	}
}

var (
	errNoManifest = errors.New("it has tables or write-ahead logs, but the file that names the MANIFEST, which lists them, is missing")
	errPanicked   = errors.New("its files cannot be read")
)

// openTables opens the folder. First it checks that Pebble would not take the folder for a new one and remove its
// files. If Pebble panics or fails for good, openTables returns an error.
func (e *Engine) openTables() error {
	if err := e.checkManifest(); err != nil {
		return err
	}
	e.damage = findDamage(e.options.Dir, e.options.FS)
	done := make(chan error, 1)
	go func() { // ends with Open; if the engine fails for good, the process ends
		defer func() {
			if cause := recover(); cause != nil {
				done <- fmt.Errorf("%w: %v", errPanicked, cause)
			}
		}()
		db, err := pebble.Open(e.options.Dir, e.pebbleOptions())
		e.db = db
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-e.state.failed:
		return e.state.why(true)
	}
}

// Files of the folder that name other files.
const (
	markManifest = "marker.manifest."
	markFormat   = "marker.format-version."
)

// checkManifest returns an error if the folder has lost the file that names its MANIFEST.
func (e *Engine) checkManifest() error {
	names, err := e.options.FS.List(e.options.Dir)
	if err != nil {
		return err
	}
	some := false
	for _, name := range names {
		if strings.HasPrefix(name, markManifest) {
			return nil
		}
		some = some || strings.HasSuffix(name, ".sst")
		if isWAL(name) {
			info, err := e.options.FS.Stat(e.options.FS.PathJoin(e.options.Dir, name))
			some = some || err == nil && info.Size() > 0
		}
	}
	if some {
		return errNoManifest
	}
	return nil
}

// newerFormat is the format of a folder that a later version has written, or 0.
func (e *Engine) newerFormat() uint64 {
	names, _ := e.options.FS.List(e.options.Dir)
	newest := uint64(0)
	for _, name := range names {
		if rest, yes := strings.CutPrefix(name, markFormat); yes {
			_, text, _ := strings.Cut(rest, ".")
			if format, err := strconv.ParseUint(text, 10, 64); err == nil && format > uint64(pebble.FormatNewest) {
				newest = max(newest, format)
			}
		}
	}
	return newest
}

// cure adds to an error of opening what the operator can do about it.
func (e *Engine) cure(err error) error {
	dir := e.options.Dir
	text := plain(err)
	switch format := e.newerFormat(); {
	case format != 0:
		return fmt.Errorf("the log in %s has the format %d, which a later version of Sluice has written: start that version, or restore a backup from this version", dir, format)
	case errors.Is(err, eventlog.ErrDiskFull) || errors.Is(err, syscall.ENOSPC) || strings.Contains(text, syscall.ENOSPC.Error()): // Fatalf has only the text
		return fmt.Errorf("the log in %s cannot be opened: its disk is full to the last byte (%s); free space there, and start again", dir, text)
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		return fmt.Errorf("opening the log in %s: %w; give this user the right to read and write there", dir, err)
	}
	// An error of the operating system is no damage, except a file that is missing.
	if errors.As(err, new(syscall.Errno)) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("opening the log in %s: %s", dir, text)
	}
	return fmt.Errorf("the log in %s is damaged (%s): restore a backup (see docs/admin.md), or move the folder away to start with an empty log", dir, text)
}

// plain is the first line of an error. The other lines of Pebble's errors are about their origin; as a value in a log
// line they would even contain a stack trace.
func plain(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// logDamage logs the damage that open has found in the newest WAL. It runs after load, which knows the last recovered
// id.
func (e *Engine) logDamage() {
	d := &e.damage
	if d.bytes == 0 {
		return
	}
	e.state.damaged.Add(1)
	last := e.applied.Last
	e.options.Logger.Warn("the newest write-ahead log was damaged: acknowledged events after the damage are lost; compare with a backup, and check the disk",
		"folder", e.options.Dir, "file", d.file, "damaged_at", d.at, "recovered_to_id", last, "recovered_to", time.UnixMicro(int64(last)).UTC().Format(time.RFC3339Nano),
		"lost_commits", d.commits, "lost_bytes", d.bytes)
}

// Damaged is the number of damaged places of the log that were found since the start.
func (e *Engine) Damaged() uint64 { return e.state.damaged.Load() }
