package eventlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// View is the rows as of one moment, whatever is committed meanwhile.
type View interface {
	// Position is that of the last commit before the moment.
	Position() uint64
	// Row is the value of a row, nil where there is none.
	Row(key string) ([]byte, error)
	// Scan calls f for each row whose key is at or after from and before to, in order, or backwards, until f says
	// false. What f gets is lent to it for the call.
	Scan(from, to string, backwards bool, f func(key, value []byte) (bool, error)) error
}

// View calls f with the rows as of one moment, once all that they hold is acknowledged. What follows its position
// in the log follows what it shows.
func (l *Log) View(ctx context.Context, f func(View) error) error {
	return l.engine.View(ctx, func(v View) error {
		if err := l.waitSettled(ctx, v.Position()); err != nil {
			return err
		}
		return f(v)
	})
}

// ErrRow is the error of a request one of whose If rows is not so.
var ErrRow = errors.New("a row is not as it was read")

// rowsHold checks the rows that a request depends on against the store and what this group writes, which the
// committer, being the one who writes, can do without anybody coming between.
func (c *committer) rowsHold(r *Request, written map[string][]byte) error {
	for i := range r.If {
		want := &r.If[i]
		value, ok := written[want.Key]
		if !ok {
			var err error
			if value, err = c.engine.Row(want.Key); err != nil {
				return fmt.Errorf("%w: looking up a row: %w", ErrUnavailable, err)
			}
		}
		if (value == nil) != (want.Value == nil) || !bytes.Equal(value, want.Value) {
			return ErrRow
		}
	}
	return nil
}
