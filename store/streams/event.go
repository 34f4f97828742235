package streams

import (
	"bytes"
	"encoding/json"
	"slices"

	"sluice/store/eventlog"
	"sluice/store/syntax"
)

// Event is what a client appends. The log gives it its id and its time.
type Event struct {
	ID        string
	Type      string
	Namespace string
	Stream    string
	Data      json.RawMessage            // compact JSON
	Meta      map[string]json.RawMessage // everything besides the fields above
}

// ownMeta are the names in an event's meta that the catalog sets. All others are the client's.
var ownMeta = []string{"id", "type", "ts", "db", "ns", "stream"}

// extra is what a record's names cannot express: names that were cut, and the time of a copied event.
type extra struct {
	Type      *string `json:"type,omitempty"`
	Namespace *string `json:"ns,omitempty"`
	Stream    *string `json:"stream,omitempty"`
	TS        string  `json:"ts,omitempty"`
}

// record is the log's record of the event. Its Meta is the client's own meta. If there is an extra, that comes first,
// on a line of its own: compact JSON has no line ends.
func (e *Event) record(space string, ts string) (eventlog.Event, error) {
	r := eventlog.Event{Space: space, Name: MapType(e.Type), Stream: MapStream(e.Namespace, e.Stream), Key: e.ID, Data: e.Data}
	k := extra{TS: ts}
	if _, whole := unmap(r.Name); !whole {
		k.Type = &e.Type
	}
	if _, _, whole := unmapStream(r.Stream); !whole {
		k.Namespace, k.Stream = &e.Namespace, &e.Stream
	}
	meta := make(map[string]json.RawMessage, len(e.Meta))
	for name, v := range e.Meta {
		if !slices.Contains(ownMeta, name) {
			meta[name] = v
		}
	}
	text, err := json.Marshal(meta)
	if err != nil {
		return r, err
	}
	if k != (extra{}) {
		head, err := json.Marshal(k)
		if err != nil {
			return r, err
		}
		text = append(append(head, '\n'), text...)
	}
	r.Meta = text
	return r, nil
}

// cutMeta splits a record's Meta.
func cutMeta(meta []byte) (k extra, own []byte) {
	head, rest, found := bytes.Cut(meta, []byte{'\n'})
	if !found {
		return k, meta
	}
	if err := json.Unmarshal(head, &k); err != nil {
		return extra{}, rest
	}
	return k, rest
}

// names returns a record's names as the client knows them.
func names(r *eventlog.Event) (kind, namespace, stream string, k extra, own []byte) {
	k, own = cutMeta(r.Meta)
	kind, _ = unmap(r.Name)
	namespace, stream, _ = unmapStream(r.Stream)
	if k.Type != nil {
		kind = *k.Type
	}
	if k.Namespace != nil && k.Stream != nil {
		namespace, stream = *k.Namespace, *k.Stream
	}
	return kind, namespace, stream, k, own
}

// TimeFormat is the format of times: UTC, milliseconds.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// timeText is an event's time as clients see it.
func timeText(clock *eventlog.Clock, r *eventlog.Event) string {
	if k, _ := cutMeta(r.Meta); k.TS != "" {
		return k.TS
	}
	return clock.Time(r.ID).Format(TimeFormat)
}

// Append appends a record as clients see it: {"data":…,"meta":{…}}. clock is that of the log.
func Append(dst []byte, clock *eventlog.Clock, database string, r *eventlog.Event) []byte {
	kind, namespace, stream, k, own := names(r)
	dst = append(dst, `{"data":`...)
	dst = append(dst, r.Data...)
	dst = append(dst, `,"meta":{"id":`...)
	dst = syntax.AppendText(dst, r.Key)
	dst = append(dst, `,"type":`...)
	dst = syntax.AppendText(dst, kind)
	dst = append(dst, `,"ts":"`...)
	if k.TS != "" {
		dst = append(dst, k.TS...)
	} else {
		dst = clock.Time(r.ID).AppendFormat(dst, TimeFormat)
	}
	dst = append(dst, `","db":`...)
	dst = syntax.AppendText(dst, database)
	dst = append(dst, `,"ns":`...)
	dst = syntax.AppendText(dst, namespace)
	dst = append(dst, `,"stream":`...)
	dst = syntax.AppendText(dst, stream)
	if len(own) > 2 {
		dst = append(append(dst, ','), own[1:len(own)-1]...)
	}
	return append(dst, "}}"...)
}

// TypeOf is a record's type as the client knows it.
func TypeOf(r *eventlog.Event) string {
	kind, whole := unmap(r.Name)
	if !whole { // only the meta has it, which may be long
		kind, _, _, _, _ = names(r)
	}
	return kind
}

// Text is what Append appends.
func Text(clock *eventlog.Clock, database string, r *eventlog.Event) []byte {
	return Append(nil, clock, database, r)
}
