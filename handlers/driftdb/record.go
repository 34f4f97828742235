package driftdb

import (
	"encoding/binary"

	"sluice/broker/eventlog"
)

// record is a push between the cursor and the connection.
type record struct {
	id, seq uint64
	relay   bool
	key     string
	text    []byte
}

// records is how the hub makes a push for WebSockets, once for all of a mode.
type records struct{ mode mode }

// Append appends id, number, whether it is a relay, and key and message with their lengths.
func (r records) Append(dst []byte, e *eventlog.Event) []byte {
	text := r.mode.push(nil, e)
	dst = binary.BigEndian.AppendUint64(dst, e.ID)
	dst = binary.BigEndian.AppendUint64(dst, e.Seq)
	relay := byte(0)
	if e.Op == eventlog.Relay {
		relay = 1
	}
	dst = append(dst, relay)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(e.Key)))
	dst = append(dst, e.Key...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(text)))
	return append(dst, text...)
}

// AppendGap appends nothing: a room forgets nothing that it retains.
func (records) AppendGap(dst []byte, _ uint64, _ string) []byte { return dst }

// cut reads a record off the front of a block.
func cut(b []byte) (r record, rest []byte) {
	r.id, r.seq, r.relay = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), b[16] == 1
	b = b[17:]
	n := binary.BigEndian.Uint32(b)
	r.key, b = string(b[4:4+n]), b[4+n:]
	n = binary.BigEndian.Uint32(b)
	r.text = b[4 : 4+n]
	return r, b[4+n:]
}
