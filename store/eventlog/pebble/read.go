package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/cockroachdb/pebble/v2"

	"sluice/store/eventlog"
)

// bounds limit one Read, so that its iterator is soon closed: an iterator prevents Pebble from freeing memtables and
// deleted files.
type bounds struct {
	records  int // examined
	segments int // visited
	seeks    int // of the skip-scan for the channels of a query in one segment; with more, Read scans
	ids      int // of one channel in one step
	bytes    int // of data on a page; the event that exceeds it is the last
	// The index is used if fewer than one in sparse records match.
	sparse int
}

// measured are the bounds in use. A record that is found through the index costs 12 to 25 µs, a scanned one 0.5 µs.
var measured = bounds{records: 4096, segments: 64, seeks: 96, ids: 256, bytes: 1 << 20, sparse: 30}

// reader is one Read under way.
type reader struct {
	engine *Engine
	bounds bounds
	iter   *pebble.Iterator
	query  *eventlog.Query
	space  uint32
	upto   uint64
	limit  int
	page   eventlog.Page
	looked int // records examined
	bytes  int // of data on the page
	kinds  map[string]kind
}

// kind is the names of a record in their stored form, and whether the query wants them. Events of one channel share
// them, so a scan matches and copies them only once.
type kind struct {
	event  eventlog.Event
	wanted bool
}

// Read is one bounded step.
func (e *Engine) Read(ctx context.Context, q *eventlog.Query, after, upto uint64, limit int) (page eventlog.Page, err error) {
	if err := e.begin(); err != nil {
		return page, err
	}
	defer e.using.RUnlock()
	r := &reader{engine: e, bounds: e.bounds, query: q, upto: upto, limit: limit, kinds: map[string]kind{}}
	number, known := e.number(q.Space)
	if !known {
		return eventlog.Page{Reached: max(after, upto)}, nil
	}
	r.space = number
	// Open the iterator before reading the floor: it still has what is dropped in between.
	if r.iter, err = e.db.NewIter(nil); err != nil {
		return page, fmt.Errorf("reading the log: %w", err)
	}
	defer func() { err = errors.Join(err, r.iter.Close()) }()
	segments, removed := e.segments(q.Space)
	if r.page.Removed, err = r.floor(removed); err != nil {
		return page, err
	}
	r.page.Reached = max(after, r.page.Removed)
	if err := r.run(ctx, segments); err != nil {
		return page, fmt.Errorf("reading the log: %w", err)
	}
	return r.page, nil
}

func (e *Engine) number(space string) (uint32, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if s := e.spaces[space]; s != nil {
		return s.number, true
	}
	return 0, false
}

func (e *Engine) segments(space string) ([]segment, uint64) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	s := e.spaces[space]
	if s == nil { // it was dropped in between
		return nil, 0
	}
	return slices.Clone(s.segments), s.removed
}

// Floor is an id after which nothing was removed.
func (e *Engine) Floor(space string) uint64 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	removed := uint64(0)
	if s := e.spaces[space]; s != nil {
		removed = s.removed
	}
	return max(removed, e.expired(e.options.Retain(space)))
}

// floor is the highest removed id: of what was dropped, or what is expired by age and only not dropped yet.
func (r *reader) floor(removed uint64) (uint64, error) {
	expired := r.engine.expired(r.engine.options.Retain(r.query.Space))
	if expired <= removed {
		return removed, nil
	}
	if r.iter.SeekLT(logKey(nil, r.space, expired+1)) {
		if id, ok := r.logID(); ok {
			return max(removed, id), nil
		}
	}
	return removed, r.iter.Error()
}

// logID is the id of the record at the iterator's position.
func (r *reader) logID() (uint64, bool) {
	k := r.iter.Key()
	if len(k) != 13 || k[0] != keyLog || binary.BigEndian.Uint32(k[1:]) != r.space {
		return 0, false
	}
	return binary.BigEndian.Uint64(k[5:]), true
}

// run reads the segments until the page is full or a bound is reached.
func (r *reader) run(ctx context.Context, segments []segment) error {
	for n := 0; r.page.Reached < r.upto && n < r.bounds.segments && !r.full(); n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		i := sort.Search(len(segments), func(i int) bool { return segments[i].last > r.page.Reached })
		if i == len(segments) {
			r.page.Reached = r.upto
			return nil
		}
		if err := r.step(&segments[i]); err != nil {
			return err
		}
	}
	return nil
}

// full reports whether the page is full, or a bound is reached.
func (r *reader) full() bool {
	return r.looked >= r.bounds.records || len(r.page.Events) >= r.limit || r.bytes >= r.bounds.bytes
}

// step reads on in one segment. It uses the index if that is cheaper than a scan.
func (r *reader) step(s *segment) error {
	to := min(s.last, r.upto)
	prefixes, ok := r.prefixes(s)
	if !ok {
		return r.scan(to)
	}
	ids, horizon, dense, err := r.gather(prefixes, s, to)
	if err != nil {
		return err
	}
	if dense {
		return r.scan(to)
	}
	return r.fetch(ids, horizon)
}

func (r *reader) scan(to uint64) error {
	ok := r.iter.SeekGE(logKey(nil, r.space, r.page.Reached+1))
	for ; ok; ok = r.iter.Next() {
		id, mine := r.logID()
		if !mine || id > to {
			break
		}
		if r.full() {
			return r.iter.Error()
		}
		if err := r.take(id); err != nil {
			return err
		}
		r.page.Reached = id
	}
	if err := r.iter.Error(); err != nil {
		return err
	}
	r.page.Reached = max(r.page.Reached, to)
	return nil
}

// take adds the record at the iterator's position to the page if it matches.
func (r *reader) take(id uint64) error {
	v, err := r.iter.ValueAndErr()
	if err != nil {
		return err
	}
	r.looked++
	head, data, err := cutRecord(v)
	if err != nil {
		return fmt.Errorf("record %d: %w", id, err)
	}
	n, known := r.kinds[string(head)]
	if !known {
		n.event.Space = r.query.Space
		readNames(head, &n.event)
		n.wanted = r.query.Match(&n.event)
		if head[0] == recordPlain { // a keyed record has a key of its own
			r.kinds[string(head)] = n
		}
	}
	if n.wanted {
		e := n.event
		e.ID, e.Data = id, bytes.Clone(data)
		r.page.Events = append(r.page.Events, e)
		r.bytes += len(data)
	}
	return nil
}

func (r *reader) fetch(ids []uint64, horizon uint64) error {
	key := make([]byte, 0, 13)
	for _, id := range ids {
		if r.full() {
			return nil
		}
		key = logKey(key[:0], r.space, id)
		if r.iter.SeekGE(key) && bytes.Equal(r.iter.Key(), key) {
			if err := r.take(id); err != nil {
				return err
			}
		}
		if err := r.iter.Error(); err != nil {
			return err
		}
		r.page.Reached = id
	}
	r.page.Reached = max(r.page.Reached, horizon)
	return nil
}

// Head is the id of the stream's last event that was not cut.
func (e *Engine) Head(space, stream string) (head uint64, err error) {
	if err := e.begin(); err != nil {
		return 0, err
	}
	defer e.using.RUnlock()
	number, known := e.number(space)
	if !known {
		return 0, nil
	}
	iter, err := e.db.NewIter(nil)
	if err != nil {
		return 0, fmt.Errorf("looking up a stream: %w", err)
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	segments, removed := e.segments(space)
	for _, s := range slices.Backward(segments) {
		if s.last <= removed {
			break
		}
		prefix := streamKey(nil, number, s.number, stream)
		if iter.SeekLT(past(prefix)) && bytes.HasPrefix(iter.Key(), prefix) {
			if id := binary.BigEndian.Uint64(iter.Key()[len(prefix):]); id > removed {
				return id, iter.Error()
			}
			break
		}
	}
	return 0, iter.Error()
}

// State describes a space. A segment that is partly expired counts in full.
func (e *Engine) State(space string) (state eventlog.State, err error) {
	if err := e.begin(); err != nil {
		return state, err
	}
	defer e.using.RUnlock()
	number, known := e.number(space)
	if !known {
		return state, nil
	}
	r := &reader{engine: e, query: &eventlog.Query{Space: space}, space: number}
	if r.iter, err = e.db.NewIter(nil); err != nil {
		return state, fmt.Errorf("looking at the log: %w", err)
	}
	defer func() { err = errors.Join(err, r.iter.Close()) }()
	segments, removed := e.segments(space)
	if state.Removed, err = r.floor(removed); err != nil {
		return state, err
	}
	for _, s := range segments {
		if s.last > state.Removed {
			state.Bytes += s.bytes
			state.Count += s.count
		}
	}
	if r.iter.SeekGE(logKey(nil, number, state.Removed+1)) {
		if id, ok := r.logID(); ok {
			state.Oldest = id
		}
	}
	return state, r.iter.Error()
}

// Answers reads the idempotency answers from an id on.
func (e *Engine) Answers(since uint64, f func(eventlog.Answer)) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.using.RUnlock()
	return e.each([]byte{keyAnswer}, func(k, v []byte) error {
		if len(k) != 8 {
			return errRecord
		}
		first := binary.BigEndian.Uint64(k)
		if first < since {
			return nil
		}
		a, err := readAnswer(first, v)
		if err == nil {
			f(a)
		}
		return err
	})
}
