package eventlog

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
)

// A full disk takes no more events. From a reserve it still takes what withdraws trust or makes room. Without the
// reserve, nobody could revoke a leaked key or free space through the gateway.

// UsesReserve reports whether a request may use the reserve: it says so itself, or it only removes.
func (r *Request) UsesReserve() bool { return r.FromReserve || r.takesAway() }

// takesAway reports whether a request stores nothing new.
func (r *Request) takesAway() bool {
	if len(r.Events) > 0 || slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Value != nil }) {
		return false
	}
	if r.Make != "" {
		return false
	}
	return r.Edit == nil || len(r.Edit.Replace) == 0 && r.Edit.Rename[0] == ""
}

// always reports whether even a full disk takes a request. Retention makes room, and a start needs its run.
func (r *Request) always() bool {
	return r.Run || r.Edit != nil && len(r.Edit.Trim) > 0 && len(r.Events)+len(r.Rows) == 0
}

// admit refuses a request that the engine cannot take now. It runs twice: before the request waits, so that it does not
// wait in vain, and before it gets its place in the journal, as the disk may have become full.
func (l *Log) admit(r *Request) error {
	a, ok := l.engine.(admitter)
	if !ok || r.always() {
		return nil
	}
	if err := a.Admit(r); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// DiskFull reports whether err means that the disk is full and that nothing was stored.
func DiskFull(err error) bool {
	return !errors.Is(err, ErrUnknown) && (errors.Is(err, ErrDiskFull) || errors.Is(err, syscall.ENOSPC))
}
