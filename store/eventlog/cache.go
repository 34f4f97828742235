package eventlog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Cache is state in memory that follows the rows under a prefix. The name of a row is its key without the prefix. Both
// functions have the restrictions of a follower.
type Cache struct {
	// Put takes a row's new value; nil means that it was deleted. After an error, the log calls Put again with nil: a row
	// that cannot be read counts as deleted.
	Put func(name string, value []byte) error
	// Names returns the names in the cache that begin with a prefix.
	Names func(prefix string) []string
}

// Named returns the keys of a map that begin with a prefix.
func Named[V any](m map[string]V, prefix string) []string {
	var names []string
	for name := range m {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

// opening collects the errors of Put while a cache is opened.
type opening struct {
	mu   sync.Mutex
	over bool
	err  error
}

// add reports whether the cache is still being opened.
func (o *opening) add(err error) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over {
		o.err = errors.Join(o.err, err)
	}
	return !o.over
}

func (o *opening) end() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	return o.err
}

// FollowRows lets a cache follow the rows under a prefix. It returns an error if one of the rows that are there now cannot
// be read. An error with a later one, which a newer version may have written, is logged.
func (l *Log) FollowRows(prefix string, c Cache) error {
	var o opening
	put := func(name string, value []byte) {
		err := c.Put(name, value)
		if err == nil {
			return
		}
		if err = fmt.Errorf("the row %q: %w", prefix+name, err); o.add(err) {
			return
		}
		l.options.Logger.Error("a stored change cannot be read, and counts as a removal", "cause", err)
		if err := c.Put(name, nil); err != nil {
			l.options.Logger.Error("a removal cannot be put in force", "row", prefix+name, "cause", err)
		}
	}
	err := l.Follow(prefix, func(changes Changes) {
		for _, dropped := range changes.Dropped {
			within, ok := strings.CutPrefix(dropped, prefix)
			if !ok {
				within = "" // all rows of the cache were dropped
			}
			for _, name := range c.Names(within) {
				put(name, nil)
			}
		}
		for _, r := range changes.Rows {
			put(strings.TrimPrefix(r.Key, prefix), r.Value)
		}
	})
	return errors.Join(err, o.end())
}

// Retry calls f until it returns another error than ErrRow, or nil. f reads rows and appends a change of them with
// conditions on what it has read. Each try that fails means that somebody else's change was stored, so few are needed.
// After WaitLimit, or when ctx is done, Retry returns ErrUnavailable.
//
// If f refuses, the rows that it has read may be old: Retry calls it once more behind a barrier.
func (l *Log) Retry(ctx context.Context, f func() error) error {
	caughtUp := l.shared == nil
	for begun := time.Now(); ; {
		err := f()
		if !caughtUp && !errors.Is(err, ErrRow) && refused(err) {
			if err := l.Barrier(ctx); err != nil {
				return err
			}
			caughtUp = true
			continue
		}
		if !errors.Is(err, ErrRow) {
			return err
		}
		if ctx.Err() != nil || time.Since(begun) > l.options.WaitLimit {
			return fmt.Errorf("%w: others change it all the time: %w", ErrUnavailable, err)
		}
	}
}
