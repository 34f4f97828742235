package journal

import (
	"context"
	"errors"
	"time"
)

const (
	// patience is how long all of it is tried again. A new leader takes the servers up to nine seconds.
	patience   = 30 * time.Second
	tryCall    = 5 * time.Second // the longest time of one try; a server that dies answers nothing
	againAfter = 200 * time.Millisecond
)

// persist calls f until it succeeds, or has failed for too long, or fails for a reason that stays.
func persist(ctx context.Context, f func(context.Context) error) error {
	for begun := time.Now(); ; {
		once, cancel := context.WithTimeout(ctx, tryCall)
		err := f(once)
		cancel()
		if err == nil || ctx.Err() != nil || stays(err) || time.Since(begun) > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(againAfter):
		}
	}
}

// stays reports whether an error is no trouble of the servers, which goes away.
func stays(err error) bool {
	return errors.Is(err, ErrNone) || errors.Is(err, ErrSecret) || errors.Is(err, ErrNoSnapshot) || errors.Is(err, ErrDamaged)
}
