package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"sluice/store/rows"
)

// Counted is what Verify has read.
type Counted struct {
	Events  int64 // records, also those that retention has cut but not removed yet
	Entries int64 // of keyed spaces
	Rows    int64
}

// Verifying is what Verify calls. All but Fault may be nil.
type Verifying struct {
	Fault    func(text string)                    // with each fault
	Row      func(key string, value []byte) error // checks a row of a door; the error is a fault
	Progress func(done, total int64)              // with about how many of all keys are done
}

// Verify reads every key and checks the engine's invariants. Its memory is bounded by the number of spaces and segments,
// which an open engine has in memory too. An error means that it stopped before the end.
//
// Exact are all checks but one: events of databases are edited, and an edit does not change what a segment counts. So a
// segment of a database may have fewer records than it counts, but not more; its bytes are not checked.
func (i *Inspection) Verify(ctx context.Context, to Verifying) (Counted, error) {
	v := &verifier{ctx: ctx, db: i.engine.db, to: to, spaces: map[uint32]*checkedSpace{}}
	if d := i.engine.damage; d.bytes > 0 {
		v.fault("the newest write-ahead log, %s, is damaged at offset %d: %d commits after it are lost", d.file, d.at, d.commits)
	}
	if err := v.measure(); err != nil {
		return Counted{}, err
	}
	look, err := v.db.NewIterWithContext(ctx, nil)
	if err != nil {
		return Counted{}, err
	}
	v.look = look
	v.state()
	i.last = v.last
	for kind := 0; kind <= 0xff && err == nil; kind++ {
		err = v.walk([]byte{byte(kind)}, v.check(byte(kind)))
	}
	v.checkSegments()
	return v.counted, errors.Join(err, look.Close())
}

// verifier is one Verify under way.
type verifier struct {
	ctx  context.Context
	db   *pebble.DB
	look *pebble.Iterator // for look-ups
	to   Verifying

	done, total int64
	counted     Counted

	last   uint64 // the last id
	newest uint64 // last, or the log's time if that is later
	spaces map[uint32]*checkedSpace
	keyed  keyedState // of the space whose entries are checked
	key    []byte     // for look-ups
}

func (v *verifier) fault(format string, args ...any) { v.to.Fault(fmt.Sprintf(format, args...)) }

// progressEvery is the number of keys between two calls of progress.
const progressEvery = 1000

// measure finds about how many keys there are. Those of memtables are not among them.
func (v *verifier) measure() error {
	levels, err := v.db.SSTables(pebble.WithProperties())
	if err != nil {
		return fmt.Errorf("reading the list of tables: %w", err)
	}
	for _, tables := range levels {
		for _, t := range tables {
			v.total += int64(t.Properties.NumEntries)
		}
	}
	return nil
}

// walk calls f with each key that begins with prefix, and reports where the folder cannot be read. An error means that
// ctx has ended.
func (v *verifier) walk(prefix []byte, f func(key, value []byte)) error {
	iter, err := v.db.NewIterWithContext(v.ctx, &pebble.IterOptions{LowerBound: prefix, UpperBound: past(prefix)})
	if err != nil {
		return err
	}
	last := prefix
	for ok := iter.First(); ok; ok = iter.Next() {
		value, err := iter.ValueAndErr()
		if err != nil {
			v.fault("the value of key %x cannot be read: %s", iter.Key(), plain(err))
			continue
		}
		f(iter.Key(), value)
		last = append(last[:0:0], iter.Key()...)
		if v.done++; v.done%progressEvery != 0 {
			continue
		}
		if v.to.Progress != nil {
			v.to.Progress(v.done, max(v.done, v.total))
		}
		if err := v.ctx.Err(); err != nil {
			return errors.Join(err, iter.Close())
		}
	}
	if err := iter.Error(); err != nil {
		v.fault("keys after %x cannot be read, and those up to %x are not checked: %s", last, past(prefix), plain(err))
	}
	_ = iter.Close() // the error of iter.Error again
	return v.ctx.Err()
}

// find returns the value of a key. It reports a value that cannot be read, and then returns broken.
func (v *verifier) find(key []byte) (value []byte, there, broken bool) {
	if !v.look.SeekGE(key) {
		if err := v.look.Error(); err != nil {
			v.fault("key %x cannot be read: %s", key, plain(err))
			return nil, false, true
		}
		return nil, false, false
	}
	if !bytes.Equal(v.look.Key(), key) {
		return nil, false, false
	}
	value, err := v.look.ValueAndErr()
	if err != nil {
		v.fault("the value of key %x cannot be read: %s", key, plain(err))
		return nil, true, true
	}
	return value, true, false
}

// check returns the check of all keys whose first byte is kind.
func (v *verifier) check(kind byte) func(key, value []byte) {
	switch kind {
	case keyMeta:
		return v.checkMeta
	case keyLog:
		return v.checkRecord
	case keyChannel:
		return v.checkChannel
	case keyStream:
		return v.checkStream
	case keyUnique:
		return v.checkUnique
	case keyEntry:
		return v.checkEntry
	case keyAnswer:
		return v.checkAnswer
	}
	return func(key, _ []byte) { v.fault("key %x is of no known kind", key) }
}

// checkMeta checks the keys of the log's own state. Verifier.state has read them before, except for rows.
func (v *verifier) checkMeta(key, value []byte) {
	if len(key) < 2 {
		v.fault("key %x is of no known kind", key)
		return
	}
	switch key[1] {
	case metaSpace, metaSegment, metaFloor, metaRun:
	case metaLast, metaClock:
		for _, known := range [...][]byte{lastKey, anchorKey, marksKey} {
			if bytes.Equal(key, known) {
				return
			}
		}
		v.fault("key %x is of no known kind", key)
	case metaRow:
		v.counted.Rows++
		v.checkRow(string(key[rowHead:]), value)
	default:
		v.fault("key %x is of no known kind", key)
	}
}

func (v *verifier) checkRow(key string, value []byte) {
	if name, yes := strings.CutPrefix(key, rows.Keyed); yes {
		v.checkKeyedRow(name, value)
		return
	}
	if v.to.Row == nil {
		return
	}
	if err := v.to.Row(key, value); err != nil {
		v.fault("row %q: %v", key, err)
	}
}

// checkAnswer checks an idempotency answer.
func (v *verifier) checkAnswer(key, value []byte) {
	if len(key) != 1+8 {
		v.fault("key %x of an idempotency answer cannot be read", key)
		return
	}
	first := binary.BigEndian.Uint64(key[1:])
	a, err := readAnswer(first, value)
	if err != nil {
		v.fault("the idempotency answer with the id %d cannot be read", first)
		return
	}
	// A request without events has an answer with the next id, and no ids.
	if last := first + uint64(a.Count); last-1 > v.newest {
		v.fault("the idempotency answer with the id %d is of %d events, but the last id is %d", first, a.Count, v.last)
	}
}
