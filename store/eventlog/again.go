package eventlog

import (
	"context"
	"errors"
)

// A log of several may not have yet what a client has just made at another gateway. So who does not find something asks
// again before it says no. What is found needs no wait.

// Alone reports whether no other gateway has this log. Then it is never behind.
func (l *Log) Alone() bool { return l.shared == nil }

// Again calls look, and if it returns false, once more behind a barrier. look reports whether it has found what it looks
// for. The error is that of the barrier: whether it is there is not known.
func (l *Log) Again(ctx context.Context, look func() bool) error {
	if look() || l.shared == nil {
		return nil
	}
	if err := l.Barrier(ctx); err != nil {
		return err
	}
	look()
	return nil
}

// refused reports whether a change was refused because of what its rows say, not because of a fault of the log or of the
// client that waits.
func refused(err error) bool {
	return err != nil && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrUnknown) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}
