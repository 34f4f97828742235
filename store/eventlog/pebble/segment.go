package pebble

import (
	"encoding/binary"

	"sluice/store/eventlog"
)

// segment is a part of one space that retention drops as a whole.
type segment struct {
	number      uint32
	first, last uint64
	bytes       int64
	count       int64
}

func (s *segment) row() []byte {
	b := make([]byte, 0, 32)
	b = appendUint64(b, s.first)
	b = appendUint64(b, s.last)
	b = appendUint64(b, uint64(s.bytes))
	return appendUint64(b, uint64(s.count))
}

func readSegment(number uint32, b []byte) (segment, error) {
	if len(b) != 32 {
		return segment{}, errRecord
	}
	return segment{
		number: number, first: binary.BigEndian.Uint64(b), last: binary.BigEndian.Uint64(b[8:]),
		bytes: int64(binary.BigEndian.Uint64(b[16:])), count: int64(binary.BigEndian.Uint64(b[24:])),
	}, nil
}

// space is a space of the log. Engine.mu guards its fields.
type space struct {
	name     string
	number   uint32
	segments []segment // oldest first; the last one is open
	removed  uint64    // everything up to this id was dropped, or is about to be
}

// parts is the number of segments that make up what a space retains.
const parts = 32

// full reports whether an event with this id must begin a new segment.
func (s *segment) full(id uint64, r eventlog.Retention) bool {
	return r.Bytes > 0 && s.bytes >= max(1, r.Bytes/parts) || r.Age > 0 && id-s.first >= uint64(max(1, r.Age/parts))
}

// put counts an event in the open segment. If the segment is full, put begins a new one and returns the finished one. s
// is a copy of the engine's open segment.
func (s *segment) put(e *eventlog.Event, size int64, r eventlog.Retention) (finished *segment) {
	if s.count > 0 && s.full(e.ID, r) {
		done := *s
		finished = &done
		*s = segment{number: s.number + 1}
	}
	if s.count == 0 {
		s.first = e.ID
	}
	s.last = e.ID
	s.bytes += size
	s.count++
	return finished
}
