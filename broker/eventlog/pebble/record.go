package pebble

import (
	"encoding/binary"
	"errors"

	"sluice/broker/eventlog"
)

// recordVersion begins a record: version, length and bytes of name, collection and stream, then data.
const recordVersion = 1

var errRecord = errors.New("a record cannot be read: the log is damaged, or was written by a newer version")

func recordSize(e *eventlog.Event) int {
	return 1 + textSize(e.Name) + textSize(e.Collection) + textSize(e.Stream) + len(e.Data)
}

func textSize(s string) int {
	if len(s) < 0x80 {
		return 1 + len(s)
	}
	return 2 + len(s)
}

func appendRecord(b []byte, e *eventlog.Event) []byte {
	b = append(b, recordVersion)
	for _, s := range [...]string{e.Name, e.Collection, e.Stream} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return append(b, e.Data...)
}

// readRecord fills the event with copies, since b is Pebble's and soon gone: one of the names
// together and one of the data.
func readRecord(b []byte, e *eventlog.Event) error {
	if len(b) == 0 || b[0] != recordVersion {
		return errRecord
	}
	var ends [3]struct{ from, to int }
	at := 1
	for i := range ends {
		n, size := binary.Uvarint(b[at:])
		if size <= 0 || uint64(len(b)-at-size) < n {
			return errRecord
		}
		ends[i].from, ends[i].to = at+size, at+size+int(n)
		at = ends[i].to
	}
	names := string(b[:at])
	e.Name, e.Collection, e.Stream = names[ends[0].from:ends[0].to], names[ends[1].from:ends[1].to], names[ends[2].from:ends[2].to]
	e.Data = append(make([]byte, 0, len(b)-at), b[at:]...)
	return nil
}

// answerSize is the length of an answer's row: key, owner, body, count.
const answerSize = 16 + 8 + 32 + 4

func appendAnswer(b []byte, a *eventlog.Answer) []byte {
	b = append(b, a.Key[:]...)
	b = append(b, a.Owner[:]...)
	b = append(b, a.Body[:]...)
	return appendUint32(b, uint32(a.Count))
}

func readAnswer(first uint64, b []byte) (eventlog.Answer, error) {
	if len(b) != answerSize {
		return eventlog.Answer{}, errRecord
	}
	return eventlog.Answer{
		First: first, Key: [16]byte(b[:16]), Owner: [8]byte(b[16:24]), Body: [32]byte(b[24:56]),
		Count: int(binary.BigEndian.Uint32(b[56:])),
	}, nil
}
