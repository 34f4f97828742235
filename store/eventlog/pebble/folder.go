package pebble

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// folder is the engine's folder as it was when the engine opened it. If somebody removes the folder, a process with
// open files goes on writing to them, and what it acknowledges is lost. So the engine checks that the folder is still
// the same.
type folder struct {
	files  map[string]os.FileInfo // by path; nil on the file systems of tests
	locked *os.File               // has the lock on the folder itself; nil if there is none
}

var errMoved = errors.New("it is not the folder any more that the log is written to: it, or its file LOCK, was removed, renamed or replaced. " +
	"Events acknowledged since then are not in it. Stop what removes it, put the folder back or restore a backup, and start again")

// openFolder notes the folder's identity and locks it. The file LOCK is not enough: if somebody removes it, a second
// process could start in the same folder.
func openFolder(dir string, fs vfs.FS) (*folder, error) {
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

// check returns an error if another folder, or none, is at the path now. If it cannot look, it returns nil.
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
