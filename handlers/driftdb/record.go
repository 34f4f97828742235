package driftdb

import (
	"encoding/binary"

	"sluice/store/eventlog"
)

// record is a push between the cursor and the connection.
type record struct {
	id, seq uint64
	relay   bool
	stored  bool // read from the store: a retained entry, perhaps compacted
	key     string
	text    []byte
}

// Flags of a record.
const (
	flagRelay = 1 << iota
	flagStored
)

// records encodes pushes for WebSockets. All connections of a mode share the result.
type records struct{ mode mode }

// Append appends the id, the number, the flags, and the key and the message with their lengths.
func (r records) Append(dst []byte, e *eventlog.Event) []byte { return r.append(dst, e, 0) }

// AppendReplayed appends a retained entry, with the flag stored.
func (r records) AppendReplayed(dst []byte, e *eventlog.Event, _ uint64) []byte {
	return r.append(dst, e, flagStored)
}

func (r records) append(dst []byte, e *eventlog.Event, flags byte) []byte {
	text := r.mode.push(nil, e)
	dst = binary.BigEndian.AppendUint64(dst, e.ID)
	dst = binary.BigEndian.AppendUint64(dst, e.Seq)
	if e.Op == eventlog.Relay {
		flags |= flagRelay
	}
	dst = append(dst, flags)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(e.Key)))
	dst = append(dst, e.Key...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(text)))
	return append(dst, text...)
}

// AppendGap appends nothing: a room loses nothing that it retains.
func (records) AppendGap(dst []byte, _ uint64, _ string) []byte { return dst }

// cut reads the first record of a block, and returns the bytes after it.
func cut(b []byte) (r record, rest []byte) {
	r.id, r.seq = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	r.relay, r.stored = b[16]&flagRelay != 0, b[16]&flagStored != 0
	b = b[17:]
	n := binary.BigEndian.Uint32(b)
	r.key, b = string(b[4:4+n]), b[4+n:]
	n = binary.BigEndian.Uint32(b)
	r.text = b[4 : 4+n]
	return r, b[4+n:]
}
