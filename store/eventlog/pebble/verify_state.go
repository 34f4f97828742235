package pebble

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"sluice/channel"
	"sluice/store/eventlog"
)

// checkedSpace is a space of a log that is verified.
type checkedSpace struct {
	space
	found []segment // what the records add up to, for each segment
	at    int       // index of the segment that had the last record
}

// shownRoom is how much of a room's name a fault shows. Who knows the whole name may join the room.
const shownRoom = 4

func (s *checkedSpace) String() string {
	return fmt.Sprintf("space %s (number %d)", shown(s.name), s.number)
}

// shown returns a space's name as faults show it.
func shown(name string) string {
	if room, yes := strings.CutPrefix(name, channel.RoomSpace); yes && len(room) > shownRoom {
		return fmt.Sprintf("%q…", channel.RoomSpace+room[:shownRoom])
	}
	return fmt.Sprintf("%q", name)
}

// edited reports whether events of the space may be edited, so that the counts of its segments are estimates, and the
// first event of one may be gone.
func (s *checkedSpace) edited() bool {
	return s.name == "" || strings.HasPrefix(s.name, channel.DBSpace)
}

// state reads the log's own state, and checks it. What follows is checked against it.
func (v *verifier) state() {
	v.last = math.MaxUint64 // if it cannot be read, nothing is compared with it
	v.newest = v.last
	value, there, broken := v.find(lastKey)
	applied, err := readApplied(value)
	switch {
	case there && err == nil && len(value) > 0:
		v.last, v.newest = applied.Last, max(applied.Last, applied.At)
	case there:
		v.fault("the last id cannot be read")
	case !broken && v.look.SeekGE(append(bytes.Clone(lastKey), 0)): // a new log has an anchor only, which is before it
		v.fault("the last id is missing")
	}
	v.clock()
	_ = v.walk([]byte{keyMeta, metaSpace}, v.readSpace) // Verify looks at ctx itself
	_ = v.walk([]byte{keyMeta, metaSegment}, v.readSegment)
	_ = v.walk([]byte{keyMeta, metaFloor}, v.readFloor)
	v.runs()
	for _, s := range v.spaces {
		s.found = make([]segment, len(s.segments))
	}
	v.done = 0
}

// clock checks the anchor and the marks of the log's clock.
func (v *verifier) clock() {
	value, _, _ := v.find(anchorKey)
	if _, err := eventlog.ReadAnchor(value); err != nil {
		v.fault("the anchor of the log's clock cannot be read")
	}
	value, _, _ = v.find(marksKey)
	if err := eventlog.NewClock(eventlog.System(), 0, nil).SetMarks(value); err != nil {
		v.fault("the marks of the log's clock cannot be read, or do not ascend")
	}
}

// runs checks that the runs ascend.
func (v *verifier) runs() {
	var before eventlog.Run
	_ = v.walk([]byte{keyMeta, metaRun}, func(key, value []byte) {
		if len(key) != 2+8 || len(value) != 16 {
			v.fault("the run with the key %x cannot be read", key)
			return
		}
		number := binary.BigEndian.Uint64(key[2:])
		r := eventlog.Run{Recovered: binary.BigEndian.Uint64(value), Start: binary.BigEndian.Uint64(value[8:])}
		switch {
		case r.Start <= r.Recovered:
			v.fault("run %d starts at %d, but recovered up to %d", number, r.Start, r.Recovered)
		case r.Recovered < before.Start:
			v.fault("run %d recovered up to %d, but the run before it starts at %d", number, r.Recovered, before.Start)
		case r.Start > v.last:
			v.fault("run %d starts at %d, but the last id is %d", number, r.Start, v.last)
		}
		before = r
	})
}

func (v *verifier) readSpace(key, value []byte) {
	name := string(key[2:])
	if len(value) != 4 {
		v.fault("the number of space %s cannot be read", shown(name))
		return
	}
	number := binary.BigEndian.Uint32(value)
	if other := v.spaces[number]; other != nil {
		v.fault("spaces %s and %s have the same number, %d", shown(other.name), shown(name), number)
		return
	}
	v.spaces[number] = &checkedSpace{space: space{name: name, number: number}}
}

func (v *verifier) readSegment(key, value []byte) {
	if len(key) != 2+8 {
		v.fault("the segment with the key %x cannot be read", key)
		return
	}
	s := v.known(binary.BigEndian.Uint32(key[2:]), "segment", key)
	if s == nil {
		return
	}
	number := binary.BigEndian.Uint32(key[6:])
	seg, err := readSegment(number, value)
	if err != nil {
		v.fault("segment %d of %s cannot be read", number, s)
		return
	}
	switch {
	case eventlog.IsKeyed(s.name):
		v.fault("%s is a keyed space, but has segment %d", s, seg.number)
		return
	case seg.first > seg.last || seg.last > v.last || seg.count <= 0:
		v.fault("segment %d of %s has %d events from %d to %d, but the last id is %d", seg.number, s, seg.count, seg.first, seg.last, v.last)
	case len(s.segments) == 0:
	default:
		before := s.segments[len(s.segments)-1]
		if before.number+1 != seg.number {
			v.fault("segment %d of %s comes after segment %d", seg.number, s, before.number)
		}
		if before.last >= seg.first {
			v.fault("segment %d of %s begins at %d, but segment %d ends at %d", seg.number, s, seg.first, before.number, before.last)
		}
	}
	s.segments = append(s.segments, seg)
}

// readFloor reads a floor. Only the oldest segment may have events up to the floor: new events are after it.
func (v *verifier) readFloor(key, value []byte) {
	if len(key) != 2+4 {
		v.fault("the floor with the key %x cannot be read", key)
		return
	}
	s := v.known(binary.BigEndian.Uint32(key[2:]), "floor", key)
	if s == nil {
		return
	}
	if len(value) != 8 {
		v.fault("the floor of %s cannot be read", s)
		return
	}
	s.removed = binary.BigEndian.Uint64(value)
	if s.removed > v.last {
		v.fault("the floor of %s is %d, but the last id is %d", s, s.removed, v.last)
	}
	for _, seg := range s.segments[min(1, len(s.segments)):] {
		if seg.first <= s.removed {
			v.fault("the floor of %s is %d, but segment %d begins at %d", s, s.removed, seg.number, seg.first)
		}
	}
}

// known returns the space with a number. If there is none, it reports the key, which is of a what.
func (v *verifier) known(number uint32, what string, key []byte) *checkedSpace {
	s := v.spaces[number]
	if s == nil {
		v.fault("the %s with the key %x is of space number %d, which does not exist", what, key, number)
	}
	return s
}

// checkSegments compares the segments with the records.
func (v *verifier) checkSegments() {
	numbers := make([]uint32, 0, len(v.spaces))
	for number := range v.spaces {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	for _, number := range numbers {
		s := v.spaces[number]
		for i, row := range s.segments {
			is := s.found[i]
			is.number = row.number
			switch {
			case s.edited() && is.count > row.count:
				v.fault("segment %d of %s counts %d events, but has %d", row.number, s, row.count, is.count)
			case s.name == "" && is.count < row.count && is.bytes != row.bytes: // some events were retracted
				v.fault("segment %d of %s counts %d bytes, but has %d", row.number, s, row.bytes, is.bytes)
			case (!s.edited() || s.name == "" && is.count == row.count) && is != row:
				v.fault("segment %d of %s counts %d events of %d bytes from %d to %d, but has %d of %d bytes from %d to %d",
					row.number, s, row.count, row.bytes, row.first, row.last, is.count, is.bytes, is.first, is.last)
			}
		}
	}
}
