package driftdb

import (
	"bytes"
	"encoding/binary"

	"github.com/coder/websocket"

	"sluice/broker"
	"sluice/handlers/writers"
	"sluice/handlers/wsframe"
	"sluice/store/eventlog"
)

// record is a push between the cursor and the connection.
type record struct {
	id, seq uint64
	relay   bool
	stored  bool // read from the store: a retained entry, perhaps compacted
	key     []byte
	frame   []byte // of the WebSocket, with the message
}

// Flags of a record.
const (
	flagRelay = 1 << iota
	flagStored
)

// records encodes pushes for WebSockets. All connections of a mode share the result.
type records struct{ mode mode }

// Append appends the id, the number, the flags, and the key and the frame with their lengths.
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
	at := len(dst)
	dst = r.mode.frame(append(dst, 0, 0, 0, 0), text)
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// frame appends the frame of a message.
func (c mode) frame(dst, text []byte) []byte { return wsframe.Append(dst, c.kind(), text) }

func (c mode) kind() websocket.MessageType {
	if c == modeCBOR {
		return websocket.MessageBinary
	}
	return websocket.MessageText
}

// AppendGap appends nothing: a room loses nothing that it retains.
func (records) AppendGap(dst []byte, _ uint64, _ string) []byte { return dst }

// cut reads the first record of a block, and returns the bytes after it.
func cut(b []byte) (r record, rest []byte) {
	r.id, r.seq = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	r.relay, r.stored = b[16]&flagRelay != 0, b[16]&flagStored != 0
	b = b[17:]
	n := binary.BigEndian.Uint32(b)
	r.key, b = b[4:4+n], b[4+n:]
	n = binary.BigEndian.Uint32(b)
	r.frame = b[4 : 4+n]
	return r, b[4+n:]
}

// clone returns the record in memory of its own.
func (r record) clone() record {
	r.key, r.frame = bytes.Clone(r.key), bytes.Clone(r.frame)
	return r
}

// blockFrames are the frames of a block, one after the other. All sockets to which the block goes as it is share them.
type blockFrames struct {
	block  *broker.Block
	made   uint64
	bytes  []byte
	last   uint64 // the greatest number
	stored bool   // a record was read from the store
}

// framesOf returns the frames of a block, which it makes if they are not those of the last call.
func framesOf(t *writers.Turn, k *broker.Block) *blockFrames {
	f, ok := t.Memo.(*blockFrames)
	if !ok {
		f = &blockFrames{}
		t.Memo = f
	}
	if f.block == k && f.made == k.Made() {
		return f
	}
	*f = blockFrames{block: k, made: k.Made(), bytes: f.bytes[:0]}
	for b := k.Bytes; len(b) > 0; {
		var r record
		r, b = cut(b)
		f.bytes = append(f.bytes, r.frame...)
		f.last, f.stored = max(f.last, r.seq), f.stored || r.stored
	}
	return f
}
