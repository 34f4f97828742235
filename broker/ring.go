package broker

import (
	"time"

	"sluice/broker/channel"
	"sluice/broker/eventlog"
	"sluice/broker/sse"
)

// encode is an event as a frame of its own.
func encode(e *eventlog.Event, mode sse.Frames, retry time.Duration) sse.Framed {
	_, method := channel.Method(e.Name)
	return sse.Frame(e.ID, e.Name, !method, e.Collection, e.Stream, e.Data, mode, retry)
}

// entry is an event that at least one view wanted when it was published, with the frames made of
// it so far, one for each way to name them.
type entry struct {
	event  eventlog.Event
	custom bool
	frames [sse.FrameModes]sse.Framed
	weight int // what the ring counted it as
}

// frame is the event as mode names it, encoded when first asked for.
func (e *entry) frame(mode sse.Frames, retry time.Duration) sse.Framed {
	// A method event's frame has one name in every mode.
	if !e.custom && mode == sse.FramesPublish {
		mode = sse.FramesName
	}
	if e.frames[mode].Len() == 0 {
		e.frames[mode] = encode(&e.event, mode, retry)
	}
	return e.frames[mode]
}

// entryOverhead is what an entry takes beside its bytes: the struct, its slice headers and strings.
const entryOverhead = 256

func (e *entry) size() int {
	n := entryOverhead + len(e.event.Data)
	for _, f := range e.frames {
		n += f.Len()
	}
	return n
}

// ring holds the newest entries, bounded in bytes. An entry's place is a number that only grows.
type ring struct {
	entries []entry // a circle; grown by doubling, never shrunk
	first   uint64  // place of the oldest entry held
	next    uint64  // place of the entry to come
	bytes   int
	limit   int
	evicted uint64 // id of the newest entry that was pushed out
}

func (r *ring) at(place uint64) *entry { return &r.entries[place%uint64(len(r.entries))] }

func (r *ring) push(e entry) uint64 {
	if int(r.next-r.first) == len(r.entries) {
		r.grow()
	}
	place := r.next
	r.next++
	e.weight = e.size()
	*r.at(place) = e
	r.bytes += e.weight
	// The newest entry always stays, however large.
	for r.bytes > r.limit && r.next-r.first > 1 {
		old := r.at(r.first)
		r.bytes -= old.weight
		r.evicted = old.event.ID
		*old = entry{}
		r.first++
	}
	return place
}

func (r *ring) grow() {
	bigger := make([]entry, max(64, 2*len(r.entries)))
	for p := r.first; p < r.next; p++ {
		bigger[p%uint64(len(bigger))] = *r.at(p)
	}
	r.entries = bigger
}
