package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// A table in which every key is deleted need not be compacted. When one range deletion covers it, Pebble removes its
// file and writes nothing. So a full disk that cannot hold the output of a compaction still gets space from deletions.
// Deletions one by one do not have that effect, so the engine looks for such tables and covers them.

// coverMost is the number of tables that one commit covers. Each new iterator sorts the range deletions of the memtable:
// 3,000 of them made a look-up cost 1,290 µs instead of 6.
const coverMost = 1000

// coverTries is how often the same tables are covered. Pebble forgets a range deletion for a table that is part of a
// compaction at that moment.
const coverTries = 5

// set are the keys that commits set while cover looks for tables. A range deletion must not delete them.
type set struct {
	commits  sync.RWMutex // read-locked during each commit, so a commit is either noted here, or older than the look
	watching bool         // guarded by commits

	mu   sync.Mutex
	keys [][]byte
	many bool // there were more than setMost, or they are unknown
}

// setMost bounds the keys that are noted. With more, cover does nothing and tries again.
const setMost = 10_000

func (s *set) watch(on bool) {
	s.commits.Lock()
	defer s.commits.Unlock()
	s.watching, s.keys, s.many = on, nil, false
}

// note adds the keys that a commit sets.
func (s *set) note(keys [][]byte, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !known || len(s.keys)+len(keys) > setMost {
		s.many = true
		return
	}
	s.keys = append(s.keys, keys...)
}

// within reports whether a commit may have set a key of the range.
func (s *set) within(r keyRange) bool {
	return s.many || slices.ContainsFunc(s.keys, r.has)
}

func (r keyRange) has(key []byte) bool {
	return bytes.Compare(r.first, key) <= 0 && bytes.Compare(key, r.last) <= 0
}

func (r keyRange) equal(other keyRange) bool {
	return bytes.Equal(r.first, other.first) && bytes.Equal(r.last, other.last)
}

func (r keyRange) overlaps(other keyRange) bool {
	return bytes.Compare(r.first, other.last) <= 0 && bytes.Compare(other.first, r.last) <= 0
}

// cover makes Pebble remove the tables in the ranges in which every key is deleted. It returns these tables.
func (e *Engine) cover(ctx context.Context, ranges []keyRange) ([]keyRange, error) {
	e.set.watch(true)
	defer e.set.watch(false)
	tables, err := e.deletedTables(ctx, ranges)
	if err != nil {
		return nil, fmt.Errorf("looking for tables of deleted keys: %w", err)
	}
	if len(tables) == 0 {
		return nil, nil
	}
	if err := e.deleteRanges(tables); err != nil {
		return nil, fmt.Errorf("covering tables of deleted keys: %w", err)
	}
	return tables, nil
}

// deletedTables are the ranges of the tables in which every key is deleted.
func (e *Engine) deletedTables(ctx context.Context, ranges []keyRange) (found []keyRange, err error) {
	levels, err := e.db.SSTables()
	if err != nil {
		return nil, err
	}
	for _, tables := range levels[1:] { // a range deletion in level 0 removes no table there
		for i := range tables {
			r := keyRange{tables[i].Smallest.UserKey, tables[i].Largest.UserKey}
			if !slices.ContainsFunc(ranges, r.overlaps) {
				continue
			}
			if len(found) == coverMost || ctx.Err() != nil {
				return found, ctx.Err()
			}
			some, err := e.holds(r)
			if err != nil {
				return nil, err
			}
			if !some {
				found = append(found, r)
			}
		}
	}
	return found, nil
}

// holds reports whether the log has a key in the range that is not deleted.
func (e *Engine) holds(r keyRange) (bool, error) {
	iter, err := e.db.NewIter(&pebble.IterOptions{LowerBound: r.first, UpperBound: r.end()})
	if err != nil {
		return false, err
	}
	some := iter.First()
	return some, errors.Join(iter.Error(), iter.Close())
}

// end is the least key after the range.
func (r keyRange) end() []byte { return append(slices.Clone(r.last), 0) }

// deleteRanges deletes ranges in which the last look found no key, except those in which a key was set since.
func (e *Engine) deleteRanges(ranges []keyRange) error {
	e.set.commits.Lock()
	defer e.set.commits.Unlock()
	b := e.db.NewBatch()
	defer b.Close()
	for _, r := range ranges {
		if e.set.within(r) {
			continue
		}
		if err := b.DeleteRange(r.first, r.end(), nil); err != nil {
			return err
		}
	}
	if b.Empty() {
		return nil
	}
	return b.Commit(pebble.Sync)
}
