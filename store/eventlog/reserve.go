package eventlog

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
)

// A full disk takes no more events. It still takes, from a reserve, what withdraws trust or makes room: else a leaked key could
// not be withdrawn, and no room be made through the gateway.

// fromReserve reports whether a request is taken from the reserve: its maker says so, or it only takes away.
func (r *Request) fromReserve() bool { return r.FromReserve || r.takesAway() }

// takesAway reports whether a request stores nothing.
func (r *Request) takesAway() bool {
	if len(r.Events) > 0 || slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Value != nil }) {
		return false
	}
	return r.Edit == nil || len(r.Edit.Replace) == 0 && r.Edit.Rename[0] == ""
}

// admit refuses a request that the engine cannot take now. It is asked before the request waits, so that nobody waits in vain,
// and before its commit, as the disk may be full by then.
func (l *Log) admit(r *Request) error {
	a, ok := l.engine.(admitter)
	if !ok {
		return nil
	}
	if err := a.Admit(r.fromReserve()); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// DiskFull reports whether a full disk is the reason of an error, and that it is certain that nothing was stored.
func DiskFull(err error) bool {
	return !errors.Is(err, ErrUnknown) && (errors.Is(err, ErrDiskFull) || errors.Is(err, syscall.ENOSPC))
}
