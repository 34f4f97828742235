//go:build unix

package pebble

import (
	"errors"
	"os"
	"syscall"
)

// lockFolder locks the folder itself, if its file system can.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(lockedError(dir, err), f.Close())
	}
	return f, nil // NFS and some others cannot lock folders
}
