package pebble

import (
	"path/filepath"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// spare is the spare file. It reserves a part of the volume for the log, since others may fill the volume to the last
// byte. The file has no content. The engine removes it when a start, a deletion or a revocation needs the space.
type spare struct {
	fs     vfs.FS
	path   string
	there  atomic.Bool
	failed bool // the file system cannot make it
}

// spareName is the file's name in the folder.
const spareName = "RESERVE"

func findSpare(dir string, fs vfs.FS) *spare {
	s := &spare{fs: fs, path: filepath.Join(dir, spareName), failed: fs != vfs.Default}
	if !s.failed {
		_, err := fs.Stat(s.path)
		s.there.Store(err == nil)
	}
	return s
}

// giveUp removes the file. It reports whether that freed space.
func (s *spare) giveUp() bool {
	return s.there.CompareAndSwap(true, false) && s.fs.Remove(s.path) == nil
}

// keep makes the file, if the file system can allocate space for it.
func (s *spare) keep(bytes int64) {
	if s.failed || s.there.Load() {
		return
	}
	f, err := s.fs.Create(s.path, vfs.WriteCategoryUnspecified)
	if err == nil {
		err = f.Preallocate(0, bytes)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		s.failed = true
		_ = s.fs.Remove(s.path)
		return
	}
	s.there.Store(true)
}
