//go:build !unix

package pebble

import (
	"errors"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// shareFile locks the file LOCK, if there is one. These systems cannot lock a folder.
func shareFile(path string) (io.Closer, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.IsDir() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lock, err := vfs.Default.Lock(path)
	if err != nil {
		return nil, inUseError(path)
	}
	return lock, nil
}
