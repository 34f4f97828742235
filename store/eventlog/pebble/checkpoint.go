package pebble

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Checkpoint copies the log to a new folder on the same volume while the log is in use. The copy has all that was
// acknowledged before, and opens as a log of its own. It takes little time and space, as tables are hard links. Only
// the engine can make it, since it has the lock.
func (e *Engine) Checkpoint(dir string) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.using.RUnlock()
	if err := e.state.why(true); err != nil {
		return fmt.Errorf("copying the log to %s: %w", dir, err)
	}
	if err := e.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		return fmt.Errorf("copying the log to %s (the folder must not exist yet, and must be on the log's volume): %w", dir, err)
	}
	return nil
}
