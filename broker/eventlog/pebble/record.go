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

// readRecord fills the event with copies: b is Pebble's and soon gone.
func readRecord(b []byte, e *eventlog.Event) error {
	if len(b) == 0 || b[0] != recordVersion {
		return errRecord
	}
	b = b[1:]
	for _, dst := range [...]*string{&e.Name, &e.Collection, &e.Stream} {
		n, size := binary.Uvarint(b)
		if size <= 0 || uint64(len(b)-size) < n {
			return errRecord
		}
		*dst = string(b[size : size+int(n)])
		b = b[size+int(n):]
	}
	e.Data = append(make([]byte, 0, len(b)), b...)
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
