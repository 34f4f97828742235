package pebble

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Checkpoint makes a copy of the log in a new folder on the same volume, while it is in use: it holds
// all that was acknowledged before, and takes hardly any time or room, as tables are linked. It can be
// opened as a log of its own. Only the engine can make it, since it holds the lock.
func (e *Engine) Checkpoint(dir string) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.using.RUnlock()
	if err := e.state.why(true); err != nil {
		return fmt.Errorf("copying the log to %s: %w", dir, err)
	}
	if err := e.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		return fmt.Errorf("copying the log to %s (it must not exist yet, and lie on the log's volume): %w", dir, err)
	}
	return nil
}
