//go:build unix

package pebble

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// shareFile takes a shared lock on a folder, or on the file LOCK. It returns nil if there is no such file. A gateway locks
// the one by flock and the other by fcntl.
func shareFile(path string) (io.Closer, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	default:
		err = syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_RDLCK, Whence: io.SeekStart})
	}
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EACCES) {
		return nil, errors.Join(inUseError(path), f.Close())
	}
	return f, nil // NFS and some others cannot lock folders
}
