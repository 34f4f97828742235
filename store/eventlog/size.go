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

// size is the memory of a request that waits in the queue.
func (r *Request) size() (n int) {
	for i := range r.Events {
		e := &r.Events[i]
		n += len(e.Data) + len(e.Meta) + len(e.Name) + len(e.Collection) + len(e.Stream) + len(e.Key) + 64
	}
	for i := range r.Rows {
		n += len(r.Rows[i].Key) + len(r.Rows[i].Value)
	}
	for i := range r.If {
		n += len(r.If[i].Key) + conditionSize
	}
	return n
}
