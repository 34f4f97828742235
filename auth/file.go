package auth

import (
	"os"
	"sync"
	"time"
)

// watchedFile is a file that is read again when it changes.
type watchedFile struct {
	name string
	mu   sync.Mutex
	seen fileState // as it was before it was last read
}

type fileState struct {
	modified time.Time
	size     int64
}

func (w *watchedFile) state() fileState {
	info, err := os.Stat(w.name)
	if err != nil {
		return fileState{}
	}
	return fileState{info.ModTime(), info.Size()}
}

// read returns what the file holds now. A change that comes while it is read counts as one after it.
func (w *watchedFile) read() ([]byte, error) {
	w.mu.Lock()
	w.seen = w.state()
	w.mu.Unlock()
	return os.ReadFile(w.name)
}

func (w *watchedFile) changed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state() != w.seen
}

// pollEvery keeps within the second that a revocation may take.
const pollEvery = 400 * time.Millisecond

// watch calls f whenever the file has changed, until quit is closed.
func (w *watchedFile) watch(quit <-chan struct{}, f func()) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		if w.changed() {
			f()
		}
	}
}
