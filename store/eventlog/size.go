package eventlog

// An event has four sizes, since four things are counted. This file has three of them; the fourth is Reader.Weight, which is
// what an engine stores.

// eventOverhead is the struct Event.
const eventOverhead = 200

// Size is about the memory of an event that a reader has in hand. It leaves out the names, which the events of one channel
// share.
func (e *Event) Size() int { return eventOverhead + len(e.Key) + len(e.Data) + len(e.Meta) }

// entryOverhead is the size of an entry without its key, data and meta.
const entryOverhead = 64

// entrySize is what an entry counts against Bound.Bytes. Users see that bound, so the size is the same in every engine.
func entrySize(e *Event) int64 {
	return int64(entryOverhead + len(e.Key) + len(e.Data) + len(e.Meta))
}

// conditionSize is the size of a Condition without its key.
const conditionSize = 48

// Size is about the memory of the request while it waits to be stored. A row whose value is a part of an event's data or
// meta takes no memory of its own.
func (r *Request) Size() int { return r.size() }

func (r *Request) size() (n int) {
	for i := range r.Events {
		e := &r.Events[i]
		n += len(e.Data) + len(e.Meta) + len(e.Name) + len(e.Collection) + len(e.Stream) + len(e.Key) + 64
	}
	shared := r.sharing()
	for i := range r.Rows {
		if n += len(r.Rows[i].Key); !shared.has(r.Rows[i].Value) {
			n += len(r.Rows[i].Value)
		}
	}
	for i := range r.If {
		n += len(r.If[i].Key) + conditionSize
	}
	return n
}

// sharing has the data and metas of a request's events by the last byte of their arrays. Slices of one array without a
// capacity of their own have it in common.
type sharing map[*byte][]byte

// sharing returns nil if the request has no rows that could share anything.
func (r *Request) sharing() sharing {
	if len(r.Rows) == 0 || len(r.Events) == 0 {
		return nil
	}
	s := make(sharing, len(r.Events))
	for i := range r.Events {
		for _, b := range [][]byte{r.Events[i].Data, r.Events[i].Meta} {
			if cap(b) > 0 {
				s[lastByte(b)] = b
			}
		}
	}
	return s
}

// has reports whether b is a part of one of the slices.
func (s sharing) has(b []byte) bool {
	if len(s) == 0 || cap(b) == 0 {
		return false
	}
	whole := s[lastByte(b)]
	at := cap(whole) - cap(b)
	return at >= 0 && at+len(b) <= len(whole)
}

func lastByte(b []byte) *byte { return &b[:cap(b)][cap(b)-1] }
