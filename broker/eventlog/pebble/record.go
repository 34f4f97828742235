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

// cutRecord parts a record into its names, which many have in common, and its data. Both are b's.
func cutRecord(b []byte) (names, data []byte, err error) {
	if len(b) == 0 || b[0] != recordVersion {
		return nil, nil, errRecord
	}
	at := 1
	for range 3 {
		n, size := binary.Uvarint(b[at:])
		if size <= 0 || uint64(len(b)-at-size) < n {
			return nil, nil, errRecord
		}
		at += size + int(n)
	}
	return b[:at], b[at:], nil
}

// readNames fills the event with names that cutRecord has cut; they share one copy.
func readNames(names []byte, e *eventlog.Event) {
	s := string(names)
	at := 1
	for _, to := range [...]*string{&e.Name, &e.Collection, &e.Stream} {
		n, size := binary.Uvarint(names[at:])
		*to = s[at+size : at+size+int(n)]
		at += size + int(n)
	}
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
