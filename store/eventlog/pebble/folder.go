package pebble

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// folder is the folder that an engine writes, as it was when it was opened. A process that has files open goes on writing
// them when they are removed, and nobody would ever find what it acknowledged.
type folder struct {
	files  map[string]os.FileInfo // by path; nil on file systems of tests
	locked *os.File               // holds the folder's own lock; nil where there is none
}

var errMoved = errors.New("it is not the folder any more that the log is written to; it, or its file LOCK, was removed, renamed or replaced. " +
	"What was acknowledged since then is not in it: stop what removes it, put the folder back or restore a backup, and start again")

// holdFolder notes what a folder is, and locks it: the file LOCK alone could be removed, and another process come up beside
// this one.
func holdFolder(dir string, fs vfs.FS) (*folder, error) {
	f := &folder{}
	if fs != vfs.Default {
		return f, nil
	}
	var err error
	if f.locked, err = lockFolder(dir); err != nil {
		return nil, err
	}
	f.files = map[string]os.FileInfo{}
	for _, path := range []string{dir, filepath.Join(dir, "LOCK")} {
		info, err := os.Stat(path)
		if err != nil {
			return nil, errors.Join(err, f.release())
		}
		f.files[path] = info
	}
	return f, nil
}

// check reports that the folder is not the one that is there now. What cannot be looked at may pass.
func (f *folder) check() error {
	for path, was := range f.files {
		now, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(was, now) {
			return fmt.Errorf("%s: %w", path, errMoved)
		}
	}
	return nil
}

func (f *folder) release() error {
	if f.locked == nil {
		return nil
	}
	return f.locked.Close()
}
