package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"sluice/store/eventlog"
)

// View shows a snapshot. During a commit it is the state before it.
func (e *Engine) View(ctx context.Context, f func(eventlog.View) error) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.using.RUnlock()
	m := e.show()
	v := view{ctx: ctx, snapshot: m.Snapshot}
	err := error(nil)
	if v.position = m.position; v.position == 0 {
		err = v.readPosition()
	}
	if err == nil {
		err = f(&v)
	}
	return errors.Join(err, e.release(m))
}

type view struct {
	ctx      context.Context
	snapshot *pebble.Snapshot
	position uint64
}

func (v *view) readPosition() error {
	value, err := get(v.snapshot, lastKey)
	if err != nil {
		return fmt.Errorf("reading the last position: %w", err)
	}
	applied, err := readApplied(value)
	v.position = applied.Last
	return err
}

func (v *view) Position() uint64 { return v.position }

func (v *view) Row(key string) ([]byte, error) {
	value, err := get(v.snapshot, rowKey(key))
	if err != nil {
		return nil, fmt.Errorf("reading a row: %w", err)
	}
	return value, nil
}

// get is a copy of a value, or nil if there is none.
func get(from pebble.Reader, key []byte) ([]byte, error) {
	value, closer, err := from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return append([]byte{}, value...), closer.Close()
}

// viewSteps is how many rows one iterator reads. An iterator prevents Pebble from freeing memtables and deleted files;
// a snapshot does not.
const viewSteps = 4096

func (v *view) Scan(from, to string, backwards bool, f func(key, value []byte) (bool, error)) error {
	low, high := rowKey(from), rowKey(to)
	for bytes.Compare(low, high) < 0 {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		last, err := v.steps(low, high, backwards, f)
		switch {
		case err != nil || last == nil:
			return err
		case backwards:
			high = last
		default:
			low = append(last, 0)
		}
	}
	return nil
}

// steps reads some rows with one iterator. It returns the last key that it has read, or nil at the end.
func (v *view) steps(low, high []byte, backwards bool, f func(key, value []byte) (bool, error)) (last []byte, err error) {
	iter, err := v.snapshot.NewIterWithContext(v.ctx, &pebble.IterOptions{LowerBound: low, UpperBound: high})
	if err != nil {
		return nil, fmt.Errorf("reading rows: %w", err)
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	next := iter.Next
	ok := false
	if backwards {
		next, ok = iter.Prev, iter.Last()
	} else {
		ok = iter.First()
	}
	for n := 1; ok; n++ {
		value, err := iter.ValueAndErr()
		if err != nil {
			return nil, fmt.Errorf("reading rows: %w", err)
		}
		on, err := f(iter.Key()[rowHead:], value)
		if err != nil || !on {
			return nil, err
		}
		if n == viewSteps {
			return bytes.Clone(iter.Key()), nil
		}
		ok = next()
	}
	return nil, iter.Error()
}
