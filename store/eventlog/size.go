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

// Size is about the memory of the request while it waits to be stored. A row whose value is a part of the data of the
// event with the same index, or of the last event's meta, takes no memory of its own.
func (r *Request) Size() int { return r.size() }

func (r *Request) size() (n int) {
	for i := range r.Events {
		e := &r.Events[i]
		n += len(e.Data) + len(e.Meta) + len(e.Name) + len(e.Collection) + len(e.Stream) + len(e.Key) + 64
	}
	last := len(r.Events) - 1
	for i := range r.Rows {
		n += len(r.Rows[i].Key)
		value := r.Rows[i].Value
		if last < 0 || !within(value, r.Events[min(i, last)].Data) && !within(value, r.Events[last].Meta) {
			n += len(value)
		}
	}
	for i := range r.If {
		n += len(r.If[i].Key) + conditionSize
	}
	return n
}

// within reports whether a slice is a part of another one. It may miss that if one of them has a capacity of its own.
func within(part, whole []byte) bool {
	at := cap(whole) - cap(part)
	return cap(part) > 0 && at >= 0 && at+len(part) <= len(whole) && &part[:cap(part)][cap(part)-1] == &whole[:cap(whole)][cap(whole)-1]
}
