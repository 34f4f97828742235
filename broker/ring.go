package broker

import (
	"time"

	"sluice/broker/sse"
	"sluice/channel"
	"sluice/store/eventlog"
)

// Encoder makes frames in the form of a door. Equal Encoders make equal frames, so one frame serves all of them.
type Encoder interface {
	// Append appends the frame of an event, or nothing if the door's clients do not get the event.
	Append(dst []byte, e *eventlog.Event) []byte
	// AppendGap appends a gap: its id, and the position before it.
	AppendGap(dst []byte, id uint64, after string) []byte
}

// Chooser chooses some of a view's events. The subscribers learn nothing about the others. Wants is called with the broker
// locked, so it must be fast for every event and every wish of a client.
type Chooser interface {
	Wants(e *eventlog.Event) bool
}

// Replayer is an Encoder for keyed spaces, whose frames have the position that the client has reached. The retained
// entries of a keyed space are not in the order of ids, so only the last frame of a replay may have a position.
type Replayer interface {
	// AppendReplayed appends the frame of an entry, with a position unless that is 0.
	AppendReplayed(dst []byte, e *eventlog.Event, position uint64) []byte
}

// form is the form of a view's frames.
type form struct {
	frames  sse.Frames
	encoder Encoder // if not nil, instead of frames
}

// encode returns the frame of an event, in its own memory.
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

// data returns the data of an event in the form of /realtime: that of a keyed event includes its key and number.
func data(e *eventlog.Event) []byte {
	if e.Op == 0 {
		return e.Data
	}
	return sse.AppendPush(nil, e.Key, e.Data, e.Seq)
}

// append appends the frame that encode makes, not as a chunk.
func (f form) append(dst []byte, e *eventlog.Event, ts int64, retry time.Duration) []byte {
	if f.encoder != nil {
		return f.encoder.Append(dst, e)
	}
	written := event(e, ts)
	return sse.AppendWhole(dst, &written, f.frames, retry)
}

// replayed appends a retained keyed event, not as a chunk.
func (f form) replayed(dst []byte, e *eventlog.Event, position uint64) []byte {
	if r, ok := f.encoder.(Replayer); ok {
		return r.AppendReplayed(dst, e, position)
	}
	return f.encoder.Append(dst, e)
}

// entry is an event that at least one view wanted when it was published, and its frames so far, one for each form.
type entry struct {
	event  eventlog.Event
	custom bool
	stamp  int64 // the time of its commit
	frames [sse.FrameModes]sse.Framed
	others map[Encoder]sse.Framed
	weight int                 // the bytes that the ring counted for it
	except eventlog.Connection // does not get the event; zero: all do
}

// frame returns the frame in a form. It encodes the event at the first call for the form.
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

// entryOverhead is the memory of an entry in addition to its bytes: the struct, its slice headers and strings.
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

// ring has the newest entries, up to limit bytes. The index of an entry counts all entries since the start, so it only
// grows.
type ring struct {
	entries []entry // a circle; its length doubles when it is full, and never shrinks
	first   uint64  // index of the oldest entry
	next    uint64  // index of the next entry
	bytes   int
	limit   int
	evicted uint64 // id of the newest entry that was removed
}

func (r *ring) at(index uint64) *entry { return &r.entries[index%uint64(len(r.entries))] }

func (r *ring) push(e entry) uint64 {
	if int(r.next-r.first) == len(r.entries) {
		r.grow()
	}
	index := r.next
	r.next++
	e.weight = e.size()
	*r.at(index) = e
	r.bytes += e.weight
	// The newest entry stays, even if it is larger than the limit.
	for r.bytes > r.limit && r.next-r.first > 1 {
		old := r.at(r.first)
		r.bytes -= old.weight
		r.evicted = old.event.ID
		*old = entry{}
		r.first++
	}
	return index
}

func (r *ring) grow() {
	bigger := make([]entry, max(64, 2*len(r.entries)))
	for p := r.first; p < r.next; p++ {
		bigger[p%uint64(len(bigger))] = *r.at(p)
	}
	r.entries = bigger
}
