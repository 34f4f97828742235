package broker

import (
	"time"

	"sluice/broker/sse"
	"sluice/channel"
	"sluice/store/eventlog"
)

// Encoder makes the frames of a door of its own. Encoders that are equal make equal frames of an event, so
// they are made once for all.
type Encoder interface {
	// Append appends the frame of an event; nothing, where it is not for the door's client.
	Append(dst []byte, e *eventlog.Event) []byte
	// AppendGap appends what tells a gap: its id, and the position before it.
	AppendGap(dst []byte, id uint64, after string) []byte
}

// Chooser picks some of a view's events; its subscribers learn nothing of the others. It is asked while the broker is
// locked, so it has to answer in a short time, whatever the event and the client's wishes are.
type Chooser interface {
	Wants(e *eventlog.Event) bool
}

// Replayer is an Encoder whose frames move the client. What a space of keyed events retains is in no order of ids, so of
// a replay only the last frame may.
type Replayer interface {
	// AppendReplayed appends the frame of an entry, which moves the client to a position, 0 not at all.
	AppendReplayed(dst []byte, e *eventlog.Event, position uint64) []byte
}

// form is what the frames of a view look like.
type form struct {
	frames  sse.Frames
	encoder Encoder // in place of frames, if any
}

// encode is an event as a frame of its own.
func (f form) encode(e *eventlog.Event, ts int64, retry time.Duration) sse.Framed {
	if f.encoder != nil {
		return sse.FrameFunc(func(dst []byte) []byte { return f.encoder.Append(dst, e) })
	}
	written := event(e, ts)
	return sse.Frame(&written, f.frames, retry)
}

// event is an event of the log as /realtime writes it.
func event(e *eventlog.Event, ts int64) sse.Published {
	_, method := channel.Method(e.Name)
	return sse.Published{ID: e.ID, Time: ts, Name: e.Name, Custom: !method, Collection: e.Collection, Stream: e.Stream, Data: data(e)}
}

// data is an event's as /realtime tells it: of a keyed one its key and number too.
func data(e *eventlog.Event) []byte {
	if e.Op == 0 {
		return e.Data
	}
	return sse.AppendPush(nil, e.Key, e.Data, e.Seq)
}

// append appends what encode makes, bare.
func (f form) append(dst []byte, e *eventlog.Event, ts int64, retry time.Duration) []byte {
	if f.encoder != nil {
		return f.encoder.Append(dst, e)
	}
	written := event(e, ts)
	return sse.AppendWhole(dst, &written, f.frames, retry)
}

// replayed appends a retained keyed event, bare.
func (f form) replayed(dst []byte, e *eventlog.Event, position uint64) []byte {
	if r, ok := f.encoder.(Replayer); ok {
		return r.AppendReplayed(dst, e, position)
	}
	return f.encoder.Append(dst, e)
}

// entry is an event that at least one view wanted when it was published, with the frames made of
// it so far, one for each form.
type entry struct {
	event  eventlog.Event
	custom bool
	stamp  int64 // of its commit
	frames [sse.FrameModes]sse.Framed
	others map[Encoder]sse.Framed
	weight int // what the ring counted it as
}

// frame is the event in a form, encoded when first asked for.
func (e *entry) frame(f form, retry time.Duration) sse.Framed {
	if f.encoder != nil {
		made, ok := e.others[f.encoder]
		if !ok {
			made = f.encode(&e.event, e.stamp, retry)
			if e.others == nil {
				e.others = map[Encoder]sse.Framed{}
			}
			e.others[f.encoder] = made
		}
		return made
	}
	// A method event's frame has one name in every mode.
	if !e.custom && f.frames == sse.FramesPublish {
		f.frames = sse.FramesName
	}
	if e.frames[f.frames].Len() == 0 {
		e.frames[f.frames] = f.encode(&e.event, e.stamp, retry)
	}
	return e.frames[f.frames]
}

// entryOverhead is what an entry takes beside its bytes: the struct, its slice headers and strings.
const entryOverhead = 256

func (e *entry) size() int {
	n := entryOverhead + len(e.event.Data) + len(e.event.Meta)
	for _, f := range e.frames {
		n += f.Len()
	}
	for _, f := range e.others {
		n += entryOverhead + f.Len()
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
