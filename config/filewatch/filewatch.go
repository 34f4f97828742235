// Package filewatch reads files that may be replaced while the gateway runs.
//
// What a file holds is compared, and neither its time nor its size: rsync -t, tar and stores with pinned times put
// another file in place with the same of both.
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
	seen [sha256.Size]byte // of what was last read; zero where it could not be read
}

// Read returns what the file holds now, and remembers it for Changed.
func (f *File) Read() ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := os.ReadFile(f.Name)
	f.seen = sum(text, err)
	return text, err
}

// Changed reports whether the file holds something else than what was last read.
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

// Every is how often Watch looks. It keeps within the second that a revocation may take.
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
