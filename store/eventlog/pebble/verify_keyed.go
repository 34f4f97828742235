package pebble

import (
	"encoding/binary"

	"sluice/store/eventlog"
	"sluice/store/rows"
)

// keyedState is what a keyed space's row says.
type keyedState struct {
	number    uint32 // of the space; 0: none, since numbers begin at 1
	there     bool
	last      uint64 // the last number
	lastEvent uint64 // the id of the last event
}

// readKeyed reads the value of a keyed space's row.
func readKeyed(value []byte) (k keyedState, ok bool) {
	if len(value) != 16 {
		return k, false
	}
	return keyedState{there: true, last: binary.BigEndian.Uint64(value), lastEvent: binary.BigEndian.Uint64(value[8:])}, true
}

// checkKeyedRow checks the row of a keyed space. A new space has the log's time instead of an id.
func (v *verifier) checkKeyedRow(name string, value []byte) {
	k, ok := readKeyed(value)
	switch {
	case !eventlog.IsKeyed(name):
		v.fault("space %s has the row of a keyed space, but is none", shown(name))
	case !ok:
		v.fault("the row of space %s cannot be read", shown(name))
	case k.lastEvent > v.newest:
		v.fault("the row of space %s says that its last event is %d, but the last id is %d", shown(name), k.lastEvent, v.last)
	}
}

// checkEntry checks an entry of a keyed space. The entries of a space follow each other.
func (v *verifier) checkEntry(key, value []byte) {
	v.counted.Entries++
	if len(key) < 1+4 {
		v.fault("the entry with the key %x cannot be read", key)
		return
	}
	s := v.known(binary.BigEndian.Uint32(key[1:]), "entry", key)
	if s == nil {
		return
	}
	if v.keyed.number != s.number {
		v.enter(s)
	}
	text, rest, ok := cutText(key[5:])
	if !ok || len(rest) != 8 || len(value) < 8 {
		v.fault("the entry with the key %x of %s cannot be read", key, s)
		return
	}
	seq, id := binary.BigEndian.Uint64(rest), binary.BigEndian.Uint64(value)
	e, ok := readEvent(s, id, value[8:])
	switch {
	case !ok:
		v.fault("entry %d of %s cannot be read", seq, s)
	case e.Key != text:
		v.fault("entry %d of %s has another key than its record", seq, s)
	}
	if id > v.last {
		v.fault("entry %d of %s has the id %d, but the last id is %d", seq, s, id, v.last)
	}
	switch k := v.keyed; {
	case !k.there: // enter has reported it
	case seq > k.last:
		v.fault("entry %d of %s is after the last number in its row, %d", seq, s, k.last)
	case id > k.lastEvent:
		v.fault("entry %d of %s has the id %d, but its row says that its last event is %d", seq, s, id, k.lastEvent)
	}
}

// enter reads the row of a keyed space before its first entry.
func (v *verifier) enter(s *checkedSpace) {
	v.keyed = keyedState{}
	if !eventlog.IsKeyed(s.name) {
		v.fault("%s is no keyed space, but has entries", s)
	} else if value, there, broken := v.find(rowKey(rows.Keyed + s.name)); there {
		v.keyed, _ = readKeyed(value) // checkKeyedRow reports a damaged one
	} else if !broken {
		v.fault("%s has entries, but no row with its last number", s)
	}
	v.keyed.number = s.number
}
