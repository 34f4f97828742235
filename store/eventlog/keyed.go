package eventlog

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sluice/channel"
	"sluice/store/rows"
)

// A keyed space retains entries by key. For the keyed spaces in use, the committer has the numbers and sizes of all
// entries in memory. So it can find the entries that an event removes without reading the store.

// ErrSeq is the error of a Compact at a number that the space has not given yet.
var ErrSeq = errors.New("a compact must be at a number that was given already")

// ErrNoSpace is the error of a keyed event whose space does not exist. If the event made the space, one that arrives after
// a Drop would bring the space back, with numbers that were given before.
var ErrNoSpace = errors.New("there is no such keyed space")

// entry is one retained entry.
type entry struct {
	seq  uint64
	size int64
}

// keyedSpace is what the committer knows of a keyed space.
type keyedSpace struct {
	seq   uint64
	bytes int64
	keys  map[string][]entry // in order of their numbers; a key has at least one

	weight int64 // the memory that it takes
}

// keyedRow begins the key of a space's row. The value is the space's last number and the id of its last event. The row is
// there as long as the space exists.
const keyedRow = rows.Keyed

func row(space string, seq, id uint64) Row {
	return Row{Key: keyedRow + space, Value: binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, seq), id)}
}

func readRow(v []byte) (seq, id uint64, ok bool) {
	if len(v) != 16 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:]), true
}

// errRow does not contain the space's name, which may be a secret.
var errRow = errors.New("the row of a keyed space cannot be read")

// KeyedSpace describes a keyed space.
type KeyedSpace struct {
	Space string
	Seq   uint64 // its last number
	Last  uint64 // the id of its last event, relays included; or the time of its Create or last Touch
}

// KeyedSpaceOf describes the keyed space of a row. ok is false if the row is of something else, or was deleted.
func KeyedSpaceOf(r Row) (s KeyedSpace, ok bool) {
	name, ok := strings.CutPrefix(r.Key, keyedRow)
	if !ok {
		return s, false
	}
	seq, id, ok := readRow(r.Value)
	return KeyedSpace{name, seq, id}, ok
}

// KeyedSpace describes one keyed space. there is false if the space does not exist.
func (l *Log) KeyedSpace(space string) (s KeyedSpace, there bool, err error) {
	v, err := l.engine.Row(keyedRow + space)
	if err != nil || v == nil {
		return s, false, err
	}
	seq, id, ok := readRow(v)
	if !ok {
		return s, false, errRow
	}
	return KeyedSpace{space, seq, id}, true, nil
}

// KeyedSpaces calls f for each keyed space.
func (l *Log) KeyedSpaces(f func(KeyedSpace) error) error {
	return l.Rows(keyedRow, func(r Row) error {
		seq, id, ok := readRow(r.Value)
		if !ok {
			return errRow
		}
		return f(KeyedSpace{r.Key[len(keyedRow):], seq, id})
	})
}

// Keyed reads the entries of a keyed space as of one moment: see Lookup. It returns when that moment is settled, so
// every event after position is newer than what was read.
func (l *Log) Keyed(ctx context.Context, space string, key *string, f func(Event) error) (position uint64, err error) {
	position, err = l.engine.Keyed(ctx, space, key, f)
	if err != nil {
		return 0, err
	}
	return position, l.waitSettled(ctx, position)
}

// Drop deletes keyed spaces that are as they were read: if an event came to one of them since, the error is ErrRow and
// all stay. Their numbers would begin again at 1, so do not use the names again.
func (l *Log) Drop(ctx context.Context, spaces ...KeyedSpace) error {
	r := &Request{Edit: &Edit{}}
	for _, s := range spaces {
		r.Edit.Drop = append(r.Edit.Drop, s.Space)
		is := row(s.Space, s.Seq, s.Last)
		r.If = append(r.If, RowIs(is.Key, is.Value))
		r.Rows = append(r.Rows, Row{Key: keyedRow + s.Space})
	}
	_, err := l.Append(ctx, r)
	return err
}

// Touch sets the Last of a keyed space to the present time, if the space is as it was read. Otherwise the error is ErrRow.
func (l *Log) Touch(ctx context.Context, s KeyedSpace) error {
	was, is := row(s.Space, s.Seq, s.Last), row(s.Space, s.Seq, max(s.Last, l.clock.Now()))
	_, err := l.Append(ctx, &Request{Rows: []Row{is}, If: []Condition{RowIs(was.Key, was.Value)}})
	return err
}

// IsKeyed reports whether a space is a keyed one.
func IsKeyed(space string) bool { return strings.HasPrefix(space, channel.RoomSpace) }

// readKeyed is Read for a keyed space: its retained entries, in order of ids.
func (l *Log) readKeyed(ctx context.Context, q *Query, after uint64, limit int) (page Page, err error) {
	page.Reached, err = l.Keyed(ctx, q.Space, nil, func(e Event) error {
		if e.ID > after && q.Match(&e) {
			page.Events = append(page.Events, e)
		}
		return nil
	})
	if err != nil {
		return Page{}, err
	}
	page.Reached = max(after, page.Reached)
	slices.SortFunc(page.Events, func(a, b Event) int { return cmp.Compare(a.ID, b.ID) })
	if len(page.Events) > limit {
		page.Events = page.Events[:limit]
		page.Reached = page.Events[limit-1].ID
	}
	return page, nil
}

// waitSettled waits until position is settled. Rows and entries can be read as soon as the engine has them in memory,
// which may be one fsync before their commit is acknowledged.
func (l *Log) waitSettled(ctx context.Context, position uint64) error {
	return l.waitUntil(ctx, func() bool { return l.Settled() >= position })
}

// waitUntil waits until ready, which a group that was applied may change, returns true.
func (l *Log) waitUntil(ctx context.Context, ready func() bool) error {
	if ready() {
		return nil
	}
	l.awaited.Add(1)
	defer l.awaited.Add(-1)
	for !ready() {
		l.mu.Lock()
		moved := l.moved
		l.mu.Unlock()
		if ready() {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.failed:
			return fmt.Errorf("%w: it has failed", ErrUnavailable)
		case <-l.quit:
			return fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed)
		}
	}
	return nil
}

// space returns what is known of a space. If nothing is known, it reads the space. The cache has only spaces that exist:
// a Drop is a group of its own, after which the space is forgotten. A space that the group under way has made is in
// the cache of rows, and has no entries in the store.
func (c *committer) space(name string) (*keyedSpace, error) {
	if s := c.cache.spaces[name]; s != nil {
		return s, nil
	}
	v, err := c.row(keyedRow + name)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, ErrNoSpace
	}
	s, ok := &keyedSpace{keys: map[string][]entry{}}, false
	if s.seq, _, ok = readRow(v); !ok {
		return nil, errRow
	}
	if _, err = c.engine.Keyed(context.Background(), name, nil, func(e Event) error {
		s.set(e.Key, append(s.keys[e.Key], entry{e.Seq, entrySize(&e)}))
		s.bytes += entrySize(&e)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("%w: reading a space: %w", ErrUnavailable, err)
	}
	c.cache.add(name, s)
	return s, nil
}

// change is what a request does to one space. It is applied to the space once the whole request is accepted.
type change struct {
	space *keyedSpace
	seq   uint64
	bytes int64
	keys  map[string][]entry // the keys that change
}

// apply gives numbers to a request's keyed events and finds the entries that each removes. If it fails, nothing has
// changed. If several spaces exceed the bound, the error is that of the first.
func (c *committer) apply(r *Request) (map[string]*change, error) {
	var changes map[string]*change
	var inOrder []*change
	for i := range r.Events {
		e := &r.Events[i]
		if e.Op == 0 {
			continue
		}
		ch := changes[e.Space]
		if ch == nil {
			s, err := c.space(e.Space)
			if err != nil {
				return nil, err
			}
			if changes == nil {
				changes = map[string]*change{}
				r.Sizes = make([]int, len(r.Events))
			}
			ch = &change{space: s, seq: s.seq, bytes: s.bytes, keys: map[string][]entry{}}
			changes[e.Space] = ch
			inOrder = append(inOrder, ch)
		}
		if err := ch.event(e); err != nil {
			return nil, err
		}
		r.Sizes[i] = len(ch.of(e.Key))
	}
	for _, ch := range inOrder {
		if err := ch.within(r.Bound); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// of returns the entries of a key after the change.
func (ch *change) of(key string) []entry {
	if entries, touched := ch.keys[key]; touched {
		return entries
	}
	return ch.space.keys[key]
}

func (ch *change) event(e *Event) error {
	if e.Op != Compact {
		ch.seq++
		e.Seq = ch.seq
	} else if e.Seq > ch.seq {
		return ErrSeq
	}
	e.Drops = nil
	entries := ch.of(e.Key)
	size := entrySize(e)
	switch e.Op {
	case Relay:
		return nil
	case Append:
		entries = append(entries, entry{e.Seq, size}) // may write behind the space's own slice, where nobody reads
	case Replace:
		ch.drop(e, entries)
		entries = []entry{{e.Seq, size}}
	case Compact:
		n := 0
		for n < len(entries) && entries[n].seq <= e.Seq {
			n++
		}
		ch.drop(e, entries[:n])
		if entries = entries[n:]; !e.Entry() {
			ch.keys[e.Key] = entries
			return nil
		}
		entries = append([]entry{{e.Seq, size}}, entries...)
	}
	ch.bytes += size
	ch.keys[e.Key] = entries
	return nil
}

func (ch *change) drop(e *Event, entries []entry) {
	for _, old := range entries {
		e.Drops = append(e.Drops, old.seq)
		ch.bytes -= old.size
	}
}

// within checks the bound. A request that makes the space smaller is always within it.
func (ch *change) within(b *Bound) error {
	if b == nil {
		return nil
	}
	if b.Bytes > 0 && ch.bytes > b.Bytes && ch.bytes > ch.space.bytes {
		return &BoundError{BoundedBytes, b.Bytes}
	}
	keys := len(ch.space.keys)
	for key, entries := range ch.keys {
		switch _, before := ch.space.keys[key]; {
		case !before && len(entries) > 0:
			keys++
		case before && len(entries) == 0:
			keys--
		}
	}
	if b.Keys > 0 && keys > b.Keys && keys > len(ch.space.keys) {
		return &BoundError{BoundedKeys, int64(b.Keys)}
	}
	return nil
}

// install applies a request's changes to the known spaces. It returns the rows with their new last numbers.
func (c *committer) install(changes map[string]*change, last uint64) (rows []Row) {
	for name, ch := range changes {
		ch.space.seq, ch.space.bytes = ch.seq, ch.bytes
		for key, entries := range ch.keys {
			c.cache.weight += ch.space.set(key, entries)
		}
		rows = append(rows, row(name, ch.seq, last))
	}
	return rows
}

// Create makes an empty keyed space. The error is ErrRow if it exists already.
func (l *Log) Create(ctx context.Context, space string) error {
	_, err := l.Append(ctx, &Request{Make: space})
	return err
}
