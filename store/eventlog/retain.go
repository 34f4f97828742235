package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Retention is decided by the engine that finds a bound crossed, but the cut is a request: it has its place in the journal,
// so a condition that reads the head of a stream has the same outcome in every process. Readers see the exact bound of age
// before that: to them, what is too old is gone at once.

// retainEvery is the time between two looks for what retention may cut.
const retainEvery = time.Second

// keep proposes cuts until Close.
func (l *Log) keep() {
	t, ok := l.engine.(trimmer)
	if !ok {
		return
	}
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.quit:
			return
		case <-l.failed:
			return
		case <-tick.C:
		case <-t.Kicked():
		}
		if err := l.Retain(l.life); err != nil && !errors.Is(err, ErrClosed) && !l.dead() && l.life.Err() == nil {
			l.options.Logger.Error("removing old events", "cause", err)
		}
	}
}

// Retain cuts what retention wants to be cut now.
func (l *Log) Retain(ctx context.Context) error {
	t, ok := l.engine.(trimmer)
	if !ok {
		return nil
	}
	trims, err := t.Trims(ctx)
	if err != nil {
		return fmt.Errorf("looking for old events: %w", err)
	}
	if len(trims) == 0 {
		return nil
	}
	_, err = l.Append(ctx, &Request{Edit: &Edit{Trim: trims}})
	return err
}
