package realtime

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"sluice/broker/sse"
	"sluice/channel"
	"sluice/handlers/httperr"
	"sluice/store/eventlog"
	"sluice/store/streams"
)

// maxEvents is how many events one request may hold.
const maxEvents = 1000

// batch is a decoded body.
type batch struct {
	events []eventlog.Event
	expect []eventlog.Expectation
	count  int  // of the events, also of those that are too many
	single bool // a bare object: the answer names one id

	// Memory, so that a batch of one event takes one allocation.
	first   [1]eventlog.Event // of events
	request eventlog.Request  // that stores them
	text    [64]byte          // of the answer
}

type fieldError struct{ name, why string }

func (e *fieldError) Error() string { return fmt.Sprintf("field %q %s", e.name, e.why) }

// decode reads a body, which is the batch's from then on: the events may be in its memory. Faults of form come before faults
// of size, in the order of docs/protocol.md.
func decode(body []byte, ndjson bool, maxEvent int64) (*batch, *httperr.Error) {
	b := &batch{}
	b.events = b.first[:0]
	var bad *httperr.Error
	if ndjson {
		bad = b.lines(body)
	} else {
		bad = b.json(body)
	}
	if bad != nil {
		return nil, bad
	}
	if b.count == 0 {
		return nil, httperr.New(http.StatusBadRequest, httperr.EmptyBatch, "the body holds no event; send at least one")
	}
	if b.count > maxEvents {
		return nil, httperr.New(http.StatusRequestEntityTooLarge, httperr.TooManyEvents,
			"%d events in one request; at most %d are allowed, send them in several", b.count, maxEvents)
	}
	for i := range b.events {
		e := &b.events[i]
		if n := sse.ObjectLen(e.Name, e.Collection, e.Stream, e.Data); int64(n) > maxEvent {
			return nil, httperr.New(http.StatusRequestEntityTooLarge, httperr.EventTooLarge,
				"%sis %d bytes as delivered; MAX_EVENT allows %d", b.eventName(i), n, maxEvent)
		}
	}
	return b, nil
}

func (b *batch) json(body []byte) *httperr.Error {
	if cap(body)-len(body) > len(body)/4 {
		body = bytes.Clone(body) // what is not used would stay in memory with the events
	}
	c, err := compact(body)
	if err != nil {
		return badJSON("the body", err)
	}
	if c[0] != '[' {
		b.single = true
		return b.add(c, 0)
	}
	var bad *httperr.Error
	_ = elements(c, func(i int, v []byte) error {
		if bad = b.add(v, i); bad != nil {
			return bad
		}
		return nil
	})
	return bad
}

func (b *batch) lines(body []byte) *httperr.Error {
	for line := range bytes.Lines(body) {
		if line = bytes.Trim(line, " \t\r\n"); len(line) == 0 {
			continue
		}
		i := b.count
		c, err := compact(bytes.Clone(line)) // an event that stays in memory does so without the others
		if err != nil {
			return badJSON(fmt.Sprintf("event %d", i), err)
		}
		if bad := b.add(c, i); bad != nil {
			return bad
		}
	}
	return nil
}

func badJSON(what string, err error) *httperr.Error {
	return httperr.New(http.StatusBadRequest, httperr.BadJSON, "%s is not JSON: %v", what, err)
}

// eventName names the event in a message: by index, unless it is alone.
func (b *batch) eventName(i int) string {
	if b.single {
		return "the event "
	}
	return fmt.Sprintf("event %d ", i)
}

func (b *batch) add(v []byte, i int) *httperr.Error {
	var before *eventlog.Event
	if n := len(b.events); n > 0 {
		before = &b.events[n-1]
	}
	b.events = append(b.events, eventlog.Event{})
	expect, err := decodeEvent(v, &b.events[len(b.events)-1], before)
	if err != nil {
		return httperr.New(http.StatusBadRequest, httperr.BadEvent, "%s%v", b.prefix(i), err)
	}
	if b.count++; b.count > maxEvents { // its form is looked at, and no more
		b.events = b.events[:maxEvents]
		return nil
	}
	if expect != nil {
		b.expect = append(b.expect, eventlog.Expectation{Index: i, Last: *expect})
	}
	return nil
}

func (b *batch) prefix(i int) string {
	if b.single {
		return ""
	}
	return fmt.Sprintf("event %d: ", i)
}

// decodeEvent reads one event object of compact JSON into e. Before is the one before it in the batch, or nil.
func decodeEvent(v []byte, e, before *eventlog.Event) (expect *uint64, err error) {
	if v[0] != '{' {
		return nil, fmt.Errorf(`must be an object like {"event":"…","data":…}`)
	}
	d := eventDecoder{event: e, before: before}
	if err := fields(v, d.field); err != nil {
		return nil, err
	}
	return d.expect, d.check()
}

// The fields of an event, as bits of those seen.
const (
	fieldEvent = 1 << iota
	fieldCollection
	fieldData
	fieldStream
	fieldExpect
	fieldSpace
	fieldExcept
)

func fieldBit(name []byte) int {
	switch string(name) {
	case "event":
		return fieldEvent
	case "collection":
		return fieldCollection
	case "data":
		return fieldData
	case "stream":
		return fieldStream
	case "expect":
		return fieldExpect
	case "space":
		return fieldSpace
	case "except":
		return fieldExcept
	}
	return 0
}

type eventDecoder struct {
	event  *eventlog.Event
	before *eventlog.Event // of the same batch, or nil: names are often the same, and need not be checked again
	expect *uint64
	seen   int
}

func (d *eventDecoder) field(raw, v []byte) error {
	bit := fieldBit(raw)
	if bit == 0 {
		return &fieldError{cut(string(raw)), "is unknown; the fields are event, collection, data, stream, expect, space and except"}
	}
	if d.reuseName(bit, v) {
		return nil
	}
	if d.seen&bit != 0 {
		return &fieldError{string(raw), "is given twice"}
	}
	d.seen |= bit
	switch bit {
	case fieldData:
		d.event.Data = v
		return nil
	case fieldExpect:
		return d.readExpect(v)
	}
	if v[0] != '"' {
		return &fieldError{string(raw), "must be a string"}
	}
	s, err := text(v)
	if err != nil {
		return &fieldError{string(raw), err.Error()}
	}
	return d.readName(bit, raw, s)
}

// reuseName reuses a name of the event before, if it is the same.
func (d *eventDecoder) reuseName(bit int, v []byte) bool {
	if d.before == nil || d.seen&bit != 0 || len(v) < 3 || v[0] != '"' {
		return false
	}
	spelled := v[1 : len(v)-1]
	if bytes.IndexByte(spelled, '\\') >= 0 {
		return false
	}
	switch bit {
	case fieldEvent:
		if string(spelled) != d.before.Name {
			return false
		}
		d.event.Name = d.before.Name
	case fieldCollection:
		if string(spelled) != d.before.Collection {
			return false
		}
		d.event.Collection = d.before.Collection
	default:
		return false
	}
	d.seen |= bit
	return true
}

func (d *eventDecoder) readName(bit int, field []byte, s string) error {
	check := channel.CheckName
	switch bit {
	case fieldEvent:
		d.event.Name, _ = channel.Event(s)
		check = channel.CheckEvent
	case fieldCollection:
		d.event.Collection = s
	case fieldStream:
		d.event.Stream = s
	case fieldSpace:
		name, ok := strings.CutPrefix(s, channel.DBSpace)
		if !ok || streams.CheckName(name) != nil {
			return &fieldError{string(field), "is not a space for publishing; leave it out, or give a database, $db/NAME"}
		}
		d.event.Space = s
		return nil
	case fieldExcept:
		connection, ok := eventlog.ParseConnection(s)
		if !ok {
			return &fieldError{string(field), "is no connection; give the one that the init object of your stream names"}
		}
		d.event.LeaveOut(connection)
		return nil
	}
	if err := check(s); err != nil {
		return &fieldError{string(field), err.Error()}
	}
	return nil
}

// readExpect reads a number, or the string that an answer has for it.
func (d *eventDecoder) readExpect(v []byte) error {
	digits := string(bytes.Trim(v, `"`))
	n, err := strconv.ParseUint(digits, 10, 53)
	if err != nil || v[0] == '"' && len(v) != len(digits)+2 {
		return &fieldError{"expect", "must be an id: a whole number from 0 to 2^53-1, or the string of one"}
	}
	d.expect = &n
	return nil
}

// check finds the faults that depend on all fields.
func (d *eventDecoder) check() error {
	if d.seen&fieldEvent == 0 {
		return &fieldError{"event", "is missing; it names the event"}
	}
	if _, method := channel.Method(d.event.Name); method && d.event.Space == "" && d.seen&fieldCollection == 0 {
		return &fieldError{"collection", "is missing; a " + d.event.Name + " event needs the collection it is about"}
	}
	if d.seen&fieldExpect != 0 && d.seen&fieldStream == 0 {
		return &fieldError{"stream", "is missing; expect is a condition on a stream"}
	}
	if d.event.Space != "" {
		return d.checkSpaced()
	}
	if d.event.Data == nil {
		d.event.Data = []byte("null")
	}
	return nil
}

// checkSpaced translates names to what the database's own door would store; clients write them as /realtime shows them.
func (d *eventDecoder) checkSpaced() error {
	e := d.event
	if _, method := channel.Method(e.Name); method {
		return &fieldError{"event", "is the name of a method event, which a database does not have; write a type of this name as " + streams.MapType(e.Name)}
	}
	if e.Collection != "" {
		return &fieldError{"collection", "cannot be combined with the space of a database"}
	}
	if d.seen&fieldExcept != 0 {
		return &fieldError{"except", "cannot be combined with the space of a database"}
	}
	e.Name = streams.MapType(streams.Given(e.Name))
	if e.Stream != "" {
		e.Stream = streams.MapStream(streams.GivenStream(e.Stream))
	}
	if e.Data == nil {
		e.Data = []byte("{}")
	}
	return nil
}

// cut shortens a client's text for a message.
func cut(s string) string {
	if len(s) > channel.MaxName {
		return s[:channel.MaxName] + "…"
	}
	return s
}
