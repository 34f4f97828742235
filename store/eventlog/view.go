package eventlog

import "context"

// View shows the rows as of one moment. Later commits do not change it.
type View interface {
	// Position is the position of the last commit before the moment.
	Position() uint64
	// Row is the value of a row, or nil if there is none.
	Row(key string) ([]byte, error)
	// Scan calls f for each row with from <= key < to, in order or backwards, until f returns false. f must not use key
	// and value after it returns.
	Scan(from, to string, backwards bool, f func(key, value []byte) (bool, error)) error
}

// View calls f with the rows as of one moment, once all of them are acknowledged. Every event after the view's position
// is newer than the view.
func (l *Log) View(ctx context.Context, f func(View) error) error {
	return l.engine.View(ctx, func(v View) error {
		if err := l.waitSettled(ctx, v.Position()); err != nil {
			return err
		}
		return f(v)
	})
}
