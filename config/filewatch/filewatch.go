// Package filewatch reads files that may be replaced while the gateway runs.
//
// It compares the contents of a file, not its time or size. rsync -t, tar and stores with pinned times may replace a file
// by another one with the same time and size.
package filewatch

import (
	"crypto/sha256"
	"os"
	"sync"
	"time"
)

// File is a file that is read again when it changes. Its zero value with a name is ready.
type File struct {
	Name string

	mu   sync.Mutex
	seen [sha256.Size]byte // of the contents at the last Read; zero if the file could not be read
}

// Read returns the contents of the file, and remembers them for Changed.
func (f *File) Read() ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := os.ReadFile(f.Name)
	f.seen = sum(text, err)
	return text, err
}

// Changed reports whether the contents differ from those that Read last returned.
func (f *File) Changed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return sum(os.ReadFile(f.Name)) != f.seen
}

func sum(text []byte, err error) (s [sha256.Size]byte) {
	if err != nil {
		return s
	}
	return sha256.Sum256(text)
}

// Every is the time between two looks of Watch. A key that is removed from a file must be refused within a second.
const Every = 400 * time.Millisecond

// Watch calls reload whenever the file has changed, until quit is closed.
func (f *File) Watch(quit <-chan struct{}, reload func()) {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		if f.Changed() {
			reload()
		}
	}
}
