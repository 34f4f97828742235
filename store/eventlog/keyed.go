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
)

// A space of keyed events retains entries by key. The committer knows, of the spaces in use, the numbers and sizes of
// their entries, so that it can say what an event takes away without reading.

// ErrSeq is the error of a Compact at a number that the space has not given yet.
var ErrSeq = errors.New("a compact must be at a number that was given already")

// held is one retained entry.
type held struct {
	seq  uint64
	size int64
}

// keyedSpace is a space of keyed events.
type keyedSpace struct {
	seq   uint64
	bytes int64
	keys  map[string][]held // in order of their numbers; a key has one at least

	weight int64 // what it takes of memory
}

// keyedRow is the row of a space: its last number, and the id of its last event.
const keyedRow = "keyed/"

func row(space string, seq, id uint64) Row {
	return Row{Key: keyedRow + space, Value: binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, seq), id)}
}

func readRow(v []byte) (seq, id uint64, ok bool) {
	if len(v) != 16 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:]), true
}

// errRow does not tell the name, which may be a secret.
var errRow = errors.New("the row of a space of keyed events cannot be read")

// KeyedSpace tells of a space of keyed events.
type KeyedSpace struct {
	Space string
	Seq   uint64 // its last number
	Last  uint64 // the id of its last event, relays included
}

// KeyedSpace tells of one space of keyed events, and whether there is such a space.
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

// KeyedSpaces calls f for each space of keyed events.
func (l *Log) KeyedSpaces(f func(KeyedSpace) error) error {
	return l.Rows(keyedRow, func(r Row) error {
		seq, id, ok := readRow(r.Value)
		if !ok {
			return errRow
		}
		return f(KeyedSpace{r.Key[len(keyedRow):], seq, id})
	})
}

// Keyed reads what a space of keyed events retains, as of one moment: see Lookup. It returns once that moment is
// settled, so that what follows the position follows what was read.
func (l *Log) Keyed(ctx context.Context, space string, key *string, f func(Event) error) (position uint64, err error) {
	position, err = l.engine.Keyed(ctx, space, key, f)
	if err != nil {
		return 0, err
	}
	return position, l.waitSettled(ctx, position)
}

// Drop deletes spaces of keyed events. Their numbers would begin anew, so their names should not be used again.
func (l *Log) Drop(ctx context.Context, spaces ...string) error {
	r := &Request{Edit: &Edit{Drop: spaces}}
	for _, name := range spaces {
		r.Rows = append(r.Rows, Row{Key: keyedRow + name})
	}
	_, err := l.Append(ctx, r)
	return err
}

// IsKeyed says whether a space is one of keyed events.
func IsKeyed(space string) bool { return strings.HasPrefix(space, channel.RoomSpace) }

// readKeyed is Read of a space of keyed events: what it retains, in order of ids.
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

// waitSettled waits until a commit that could be read is acknowledged too: an fsync may lie between.
func (l *Log) waitSettled(ctx context.Context, position uint64) error {
	if l.Settled() >= position {
		return nil
	}
	l.awaited.Add(1)
	defer l.awaited.Add(-1)
	for l.Settled() < position {
		l.mu.Lock()
		moved := l.moved
		l.mu.Unlock()
		if l.Settled() >= position {
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

// space finds what is known of a space, or reads it.
func (c *committer) space(name string) (*keyedSpace, error) {
	if s := c.keyed.spaces[name]; s != nil {
		return s, nil
	}
	s := &keyedSpace{keys: map[string][]held{}}
	v, err := c.engine.Row(keyedRow + name)
	if err == nil {
		s.seq, _, _ = readRow(v)
		_, err = c.engine.Keyed(context.Background(), name, nil, func(e Event) error {
			s.set(e.Key, append(s.keys[e.Key], held{e.Seq, entrySize(&e)}))
			s.bytes += entrySize(&e)
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%w: reading a space: %w", ErrUnavailable, err)
	}
	c.keyed.add(name, s)
	return s, nil
}

// entryOverhead is what an entry takes beside its texts.
const entryOverhead = 64

func entrySize(e *Event) int64 {
	return int64(entryOverhead + len(e.Key) + len(e.Data) + len(e.Meta))
}

// change is what a request does to one space, until it is known that all of it can be done.
type change struct {
	space *keyedSpace
	seq   uint64
	bytes int64
	keys  map[string][]held // those that are touched
}

// apply numbers a request's keyed events and finds what each takes away. Nothing is changed where it fails.
func (c *committer) apply(r *Request) (map[string]*change, error) {
	var changes map[string]*change
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
			ch = &change{space: s, seq: s.seq, bytes: s.bytes, keys: map[string][]held{}}
			changes[e.Space] = ch
		}
		if err := ch.event(e); err != nil {
			return nil, err
		}
		r.Sizes[i] = len(ch.of(e.Key))
	}
	for _, ch := range changes {
		if err := ch.within(r.Bound); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// of are the entries of a key as the change leaves them.
func (ch *change) of(key string) []held {
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
		entries = append(entries, held{e.Seq, size}) // what lies behind its length is nobody's
	case Replace:
		ch.drop(e, entries)
		entries = []held{{e.Seq, size}}
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
		entries = append([]held{{e.Seq, size}}, entries...)
	}
	ch.bytes += size
	ch.keys[e.Key] = entries
	return nil
}

func (ch *change) drop(e *Event, entries []held) {
	for _, h := range entries {
		e.Drops = append(e.Drops, h.seq)
		ch.bytes -= h.size
	}
}

// within says whether what the space would hold is allowed. Who makes it smaller may always.
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

// install makes a request's changes what is known, and returns the rows that keep their numbers.
func (c *committer) install(changes map[string]*change, last uint64) (rows []Row) {
	for name, ch := range changes {
		ch.space.seq, ch.space.bytes = ch.seq, ch.bytes
		for key, entries := range ch.keys {
			c.keyed.weight += ch.space.set(key, entries)
		}
		rows = append(rows, row(name, ch.seq, last))
	}
	return rows
}

// Create makes an empty space of keyed events. The error is ErrRow where there is such a space already.
func (l *Log) Create(ctx context.Context, space string) error {
	now := max(l.Settled(), l.clock.Now())
	_, err := l.Append(ctx, &Request{Rows: []Row{row(space, 0, now)}, If: []Row{{Key: keyedRow + space}}})
	return err
}
