package journal

import (
	"errors"
	"fmt"

	"sluice/store/eventlog"
)

// The first byte of a message is its level. The rest is one CBOR array (RFC 8949), with every number and length in its shortest
// form.

// Errors of messages that cannot be decoded. They have nothing of the message's contents, which may be secret.
var (
	errVersion = errors.New("another gateway has written a message in a format that this gateway does not know; upgrade this gateway")
	errDecode  = errors.New("a message of the journal cannot be decoded: it is damaged, or it is not of a gateway; find out who else writes to the journal")
)

// message is what one process adds to the journal at once.
type message struct {
	Origin, Number uint64
	Sent           int64 // wall clock of the origin, in microseconds since 1970
	Claim          eventlog.Claim
	Requests       []*eventlog.Request
}

// Sizes of messages and requests without their events, rows and conditions, so that the buffer seldom grows.
const (
	messageSize = 64
	requestSize = 96
)

// encode returns the bytes of a message in the format of a level. It refuses what decode would refuse, since such a message would stop all gateways.
// It only reads the requests, which may have other readers.
func encode(m *message, level int) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("encoding a message of the journal: %w", err)
	}
	size := messageSize
	for _, r := range m.Requests {
		size += requestSize + r.Size()
	}
	w := &wire{b: append(make([]byte, 0, size), byte(level))}
	w.message(m)
	return w.b, nil
}

// decode returns the message of some bytes. Each text and value is a copy of its own: caches keep some of them for long, and
// one that was a part of b would keep all of b in memory, 512 KiB or more. Of a message of 64 events, copies take 20 µs
// instead of 14. Only rows that shared their bytes with events still do.
func decode(b []byte) (*message, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w (it is empty)", errDecode)
	}
	if b[0] < Oldest || b[0] > Newest {
		return nil, fmt.Errorf("%w: the message has the format %d, this gateway reads formats up to %d", errVersion, b[0], Newest)
	}
	w, m := &wire{b: b[1:], reading: true}, &message{}
	w.message(m)
	if w.err == nil && len(w.b) > 0 {
		w.err = errEnd
	}
	if w.err != nil {
		return nil, fmt.Errorf("%w (at byte %d: %w)", errDecode, len(b)-len(w.b), w.err)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%w (%w)", errDecode, err)
	}
	if level := m.raised(); level > Newest {
		return nil, fmt.Errorf("%w: from here on, all write the format %d, and this gateway reads formats up to %d", errVersion, level, Newest)
	}
	return m, nil
}

// Reasons to refuse a message as a whole.
var (
	errOrigin  = errors.New("its origin or its number is 0")
	errNothing = errors.New("it has no requests")
	errAlone   = errors.New("an edit or a run is not alone in its message")
	errRun     = errors.New("a run has events")
	errOp      = errors.New("an event has an unknown op")
	errExpect  = errors.New("an expectation is of no event of its request")
)

// check finds what applying a message must never meet.
func (m *message) check() error {
	if m.Origin == 0 || m.Number == 0 {
		return errOrigin
	}
	if len(m.Requests) == 0 {
		return errNothing
	}
	for _, r := range m.Requests {
		if r == nil {
			return errNothing
		}
		if (r.Edit != nil || r.Run) && len(m.Requests) > 1 {
			return errAlone
		}
		if err := checkRequest(r); err != nil {
			return err
		}
	}
	return nil
}

func checkRequest(r *eventlog.Request) error {
	if r.Run && len(r.Events) > 0 {
		return errRun // a run takes one id
	}
	for i := range r.Events {
		if r.Events[i].Op > eventlog.Compact {
			return errOp
		}
	}
	for _, x := range r.Expect {
		if x.Index < 0 || x.Index >= len(r.Events) {
			return errExpect
		}
	}
	for i := range r.Rows {
		if r.Rows[i].Key == levelKey {
			if _, err := ReadLevel(r.Rows[i].Value); err != nil {
				return err
			}
		}
	}
	if r.Edit == nil {
		return nil
	}
	for i := range r.Edit.Replace {
		if r.Edit.Replace[i].New.Op > eventlog.Compact {
			return errOp
		}
	}
	return nil
}

// Each type has one method that lists its fields, for both directions: what is written is read, in the same order. Fields that
// are not here belong to the process that made the request, or are given when it is applied.

// The fewest bytes of an element of each list. A list cannot have more elements than fit into the rest of the message.
const (
	leastRequest   = 10
	leastEvent     = 10
	leastReplaced  = 14
	leastCondition = 3
	leastText      = 1
	leastPair      = 3
)

func (w *wire) message(m *message) {
	w.array(6)
	w.number(&m.Origin)
	w.number(&m.Number)
	w.signed(&m.Sent)
	w.number(&m.Claim.Place)
	w.number(&m.Claim.Chain)
	list(w, &m.Requests, leastRequest, func(w *wire, r **eventlog.Request) {
		if w.reading {
			*r = &eventlog.Request{}
		}
		w.request(*r)
	})
}

func (w *wire) request(r *eventlog.Request) {
	w.array(9)
	list(w, &r.Events, leastEvent, (*wire).event)
	list(w, &r.Expect, leastPair, (*wire).expectation)
	optional(w, &r.Once, (*wire).once)
	w.rows(r)
	list(w, &r.If, leastCondition, (*wire).condition)
	optional(w, &r.Bound, (*wire).bound)
	optional(w, &r.Edit, (*wire).edit)
	w.text(&r.Make)
	w.flag(&r.Run)
}

func (w *wire) event(e *eventlog.Event) {
	w.array(9)
	w.text(&e.Space)
	w.text(&e.Name)
	w.text(&e.Collection)
	w.text(&e.Stream)
	w.text(&e.Key)
	w.small((*uint8)(&e.Op))
	w.number(&e.Seq)
	w.bytes(&e.Data)
	w.bytes(&e.Meta)
}

func (w *wire) expectation(x *eventlog.Expectation) {
	w.array(2)
	w.int(&x.Index)
	w.number(&x.Last)
}

func (w *wire) once(o *eventlog.Once) {
	w.array(5)
	w.fixed(o.Key[:])
	w.fixed(o.Owner[:])
	w.fixed(o.Body[:])
	w.int(&o.MostInAll)
	w.int(&o.MostPerOwner)
}

// rows writes a value that is a part of an event as its place there. A change of documents has all texts in its events and in
// its rows, and is twice as large without this. Request.Size, too, counts such a value once.
func (w *wire) rows(r *eventlog.Request) {
	i := 0
	list(w, &r.Rows, leastPair, func(w *wire, row *eventlog.Row) {
		w.array(2)
		w.text(&row.Key)
		w.value(&row.Value, wholes(r, i))
		i++
	})
}

// wholes are the bytes that the value of a row may be a part of: the data of the event with the same index, and the meta of the
// last event.
func wholes(r *eventlog.Request, row int) (w [2][]byte) {
	if last := len(r.Events) - 1; last >= 0 {
		w = [2][]byte{r.Events[min(row, last)].Data, r.Events[last].Meta}
	}
	return w
}

// condition has null instead of a sum if the row must not be there.
func (w *wire) condition(c *eventlog.Condition) {
	w.array(2)
	w.text(&c.Key)
	if w.null(!c.There) {
		return
	}
	w.fixed(c.Sum[:])
	if w.reading {
		c.There = true
	}
}

func (w *wire) bound(b *eventlog.Bound) {
	w.array(2)
	w.signed(&b.Bytes)
	w.int(&b.Keys)
}

func (w *wire) edit(e *eventlog.Edit) {
	w.array(8)
	list(w, &e.Remove, leastPair, (*wire).removed)
	list(w, &e.Replace, leastReplaced, (*wire).replaced)
	w.signed(&e.Freed)
	list(w, &e.Drop, leastText, (*wire).text)
	w.text(&e.Rename[0])
	w.text(&e.Rename[1])
	list(w, &e.DropRows, leastText, (*wire).text)
	list(w, &e.Trim, leastPair, (*wire).trim)
}

// removed has only what finds an event in the log. Its data may be large, and nobody needs it any more.
func (w *wire) removed(e *eventlog.Event) {
	w.array(2)
	w.text(&e.Space)
	w.number(&e.ID)
}

func (w *wire) replaced(r *eventlog.Replacement) {
	w.array(3)
	w.removed(&r.Old)
	w.number(&r.New.ID)
	w.event(&r.New)
}

func (w *wire) trim(t *eventlog.Trim) {
	w.array(2)
	w.text(&t.Space)
	w.number(&t.ID)
}
