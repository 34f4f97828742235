package pebble

import (
	"encoding/binary"

	"sluice/channel"
	"sluice/store/eventlog"
)

// checkRecord checks an event's record, and that its index rows are there.
func (v *verifier) checkRecord(key, value []byte) {
	v.counted.Events++
	if len(key) != 1+4+8 {
		v.fault("the record with the key %x cannot be read", key)
		return
	}
	s := v.known(binary.BigEndian.Uint32(key[1:]), "record", key)
	if s == nil {
		return
	}
	id := binary.BigEndian.Uint64(key[5:])
	if id > v.last {
		v.fault("event %d of %s is after the last id, %d", id, s, v.last)
	}
	e, ok := readEvent(s, id, value)
	if !ok {
		v.fault("the record of event %d of %s cannot be read", id, s)
		return
	}
	seg := v.count(s, &e, value)
	if seg == nil {
		v.fault("event %d of %s is in no segment", id, s)
		return
	}
	v.key = appendUint64(channelKey(v.key[:0], s.number, seg.number, e.Channel()), id)
	if _, there, broken := v.find(v.key); !there && !broken {
		v.fault("event %d of %s has no row in the index of channels, %x", id, s, v.key)
	}
	if e.Stream != "" {
		v.key = appendUint64(streamKey(v.key[:0], s.number, seg.number, e.Stream), id)
		if _, there, broken := v.find(v.key); !there && !broken {
			v.fault("event %d of %s has no row in the index of streams, %x", id, s, v.key)
		}
	}
	if e.Key == "" || id <= s.removed { // another event may have the key by now
		return
	}
	v.key = uniqueKey(v.key[:0], s.number, e.Stream, e.Key)
	is, there, broken := v.find(v.key)
	switch {
	case broken:
	case !there:
		v.fault("event %d of %s has no row for its unique key, %x", id, s, v.key)
	case len(is) == 8 && binary.BigEndian.Uint64(is) != id: // checkUnique reports other lengths
		v.fault("events %d and %d of %s have the same unique key, %x", id, binary.BigEndian.Uint64(is), s, v.key)
	}
}

// readEvent reads a record without its data.
func readEvent(s *checkedSpace, id uint64, record []byte) (e eventlog.Event, ok bool) {
	head, _, err := cutRecord(record)
	if err != nil {
		return e, false
	}
	e = eventlog.Event{Space: s.name, ID: id}
	readNames(head, &e)
	return e, true
}

// count counts an event in its segment. It returns nil if the event is in none. The events of a space come in order.
func (v *verifier) count(s *checkedSpace, e *eventlog.Event, record []byte) *segment {
	for s.at < len(s.segments) && s.segments[s.at].last < e.ID {
		s.at++
	}
	if s.at == len(s.segments) || e.ID < s.segments[s.at].first {
		return nil
	}
	is := &s.found[s.at]
	if is.count == 0 {
		is.first = e.ID
	}
	is.last = e.ID
	is.count++
	is.bytes += int64(len(record) + indexSize(e))
	return &s.segments[s.at]
}

// An index row is a key that ends with an id.
type indexRow struct {
	space *checkedSpace
	texts []byte // between the segment and the id
	id    uint64
}

// readIndexRow reads the key of a row in the index of what. It checks that the row is in a segment that has its id.
func (v *verifier) readIndexRow(key []byte, what string) (r indexRow, ok bool) {
	if len(key) < 1+4+4+8 {
		v.fault("the row with the key %x in the index of %s cannot be read", key, what)
		return r, false
	}
	r.space = v.known(binary.BigEndian.Uint32(key[1:]), "row of the index", key)
	if r.space == nil {
		return r, false
	}
	number := binary.BigEndian.Uint32(key[5:])
	r.texts, r.id = key[9:len(key)-8], binary.BigEndian.Uint64(key[len(key)-8:])
	for i := range r.space.segments {
		if seg := &r.space.segments[i]; seg.number == number && seg.first <= r.id && r.id <= seg.last {
			return r, true
		}
	}
	v.fault("the row %x in the index of %s is of event %d of %s, which is not in segment %d", key, what, r.id, r.space, number)
	return r, false
}

func (v *verifier) checkChannel(key, _ []byte) {
	const what = "channels"
	r, ok := v.readIndexRow(key, what)
	if !ok {
		return
	}
	left, rest, ok := cutText(r.texts)
	collection, rest, whole := cutText(rest)
	if !ok || !whole || len(rest) > 0 {
		v.fault("the row with the key %x in the index of %s cannot be read", key, what)
		return
	}
	is := channel.Channel{Space: r.space.name, Left: left, Collection: collection}
	v.checkPointer(r, key, what, func(e *eventlog.Event) bool { return e.Channel() == is })
}

func (v *verifier) checkStream(key, _ []byte) {
	const what = "streams"
	r, ok := v.readIndexRow(key, what)
	if !ok {
		return
	}
	stream, rest, ok := cutText(r.texts)
	if !ok || len(rest) > 0 {
		v.fault("the row with the key %x in the index of %s cannot be read", key, what)
		return
	}
	v.checkPointer(r, key, what, func(e *eventlog.Event) bool { return e.Stream == stream })
}

func (v *verifier) checkUnique(key, value []byte) {
	const what = "unique keys"
	if len(key) < 1+4 {
		v.fault("the row with the key %x in the index of %s cannot be read", key, what)
		return
	}
	s := v.known(binary.BigEndian.Uint32(key[1:]), "row of the index", key)
	if s == nil {
		return
	}
	stream, unique, ok := cutText(key[5:])
	if !ok || len(value) != 8 {
		v.fault("the row with the key %x in the index of %s cannot be read", key, what)
		return
	}
	r := indexRow{space: s, id: binary.BigEndian.Uint64(value)}
	if r.id <= s.removed { // rows of events that were cut stay, and count as none
		return
	}
	v.checkPointer(r, key, what, func(e *eventlog.Event) bool { return e.Stream == stream && e.Key == string(unique) })
}

// checkPointer checks that the event of an index row exists, and that it has what the row says.
func (v *verifier) checkPointer(r indexRow, key []byte, what string, has func(e *eventlog.Event) bool) {
	v.key = logKey(v.key[:0], r.space.number, r.id)
	record, there, broken := v.find(v.key)
	if broken {
		return
	}
	if !there {
		v.fault("the row %x in the index of %s is of event %d of %s, which does not exist", key, what, r.id, r.space)
		return
	}
	if e, ok := readEvent(r.space, r.id, record); ok && !has(&e) { // checkRecord reports the others
		v.fault("the row %x in the index of %s does not fit to event %d of %s", key, what, r.id, r.space)
	}
}
