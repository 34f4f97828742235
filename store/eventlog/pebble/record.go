package pebble

import (
	"encoding/binary"
	"errors"

	"sluice/store/eventlog"
)

// The first byte of a record is its version. Then come length and bytes of name, collection and stream; in a keyed
// record also of key and meta. The rest is the data.
const (
	recordPlain = 1
	recordKeyed = 2
)

// names is the number of texts before the data.
func names(version byte) int {
	switch version {
	case recordPlain:
		return 3
	case recordKeyed:
		return 5
	}
	return 0
}

var errRecord = errors.New("a record cannot be read: the log is damaged, or a newer version wrote it")

func recordSize(e *eventlog.Event) int {
	n := 1 + textSize(len(e.Name)) + textSize(len(e.Collection)) + textSize(len(e.Stream)) + len(e.Data)
	if keyed(e) {
		n += textSize(len(e.Key)) + textSize(len(e.Meta))
	}
	return n
}

// indexOverhead is about the size of the index rows of an event that is unique in its stream, without their texts.
const indexOverhead = 96

// Weight is the number of bytes that an event adds to State.Bytes: its record and, if it is unique in its stream, its
// index rows, which are larger than the record of a small event.
func (*Engine) Weight(e *eventlog.Event) int64 { return int64(recordSize(e) + indexSize(e)) }

// indexSize is about the size of the index rows of an event, if it is unique in its stream; else 0.
func indexSize(e *eventlog.Event) int {
	if e.Key == "" || e.Op != 0 {
		return 0
	}
	return indexOverhead + len(e.Name) + 2*len(e.Stream) + len(e.Key)
}

func keyed(e *eventlog.Event) bool { return e.Key != "" || len(e.Meta) > 0 }

// textSize is the size of a text of n bytes with its length before it.
func textSize(n int) int {
	size := n + 1
	for n >= 0x80 {
		n >>= 7
		size++
	}
	return size
}

func appendRecord(b []byte, e *eventlog.Event) []byte {
	version := byte(recordPlain)
	if keyed(e) {
		version = recordKeyed
	}
	b = append(b, version)
	for _, s := range [...]string{e.Name, e.Collection, e.Stream} {
		b = appendCounted(b, s)
	}
	if version == recordKeyed {
		b = appendCounted(appendCounted(b, e.Key), e.Meta)
	}
	return append(b, e.Data...)
}

func appendCounted[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// cutRecord splits a record into its names, which many records share, and its data. Both point into b.
func cutRecord(b []byte) (head, data []byte, err error) {
	if len(b) == 0 || names(b[0]) == 0 {
		return nil, nil, errRecord
	}
	at := 1
	for range names(b[0]) {
		n, size := binary.Uvarint(b[at:])
		if size <= 0 || uint64(len(b)-at-size) < n {
			return nil, nil, errRecord
		}
		at += size + int(n)
	}
	return b[:at], b[at:], nil
}

// readNames sets the event's names from the head that cutRecord returned. The names share one copy.
func readNames(head []byte, e *eventlog.Event) {
	s := string(head)
	at := 1
	next := func() string {
		n, size := binary.Uvarint(head[at:])
		from := at + size
		at = from + int(n)
		return s[from:at]
	}
	e.Name, e.Collection, e.Stream = next(), next(), next()
	if head[0] == recordKeyed {
		e.Key, e.Meta = next(), []byte(next())
	}
}

// answerSize is the size of an answer's row: key, owner, body, count.
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
