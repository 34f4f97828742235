package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sluice/broker/index"
	"sluice/broker/sse"
	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/share"
)

// Options has values from the settings. For 0, each has the default after the semicolon.
type Options struct {
	RingBytes    int           // bytes of the ring; 16 MiB
	RetryConnect time.Duration // the first retry of a stream; 2 s
	RetryEvent   time.Duration // the retry after each event; no retry
	Replays      int           // steps of catching up at the same time, shared among owners; 2 for each processor
	Logger       *slog.Logger  // gets panics of encoders and choosers; nothing is logged
}

// Stats counts since the start.
type Stats struct {
	Deliveries atomic.Uint64 // event frames that writers got
	Replayed   atomic.Uint64 // those of them that were read from the log
	Gaps       atomic.Uint64 // gaps that writers got
}

// ErrDraining is the error of Subscribe once Drain was called.
var ErrDraining = errors.New("the gateway is draining")

// ErrBehind is the error of Subscribe from Suspend to Resume.
var ErrBehind = fmt.Errorf("%w: %w", eventlog.ErrUnavailable, eventlog.ErrBehind)

// Broker delivers the events of a log to its subscribers.
type Broker struct {
	Stats Stats

	log     *eventlog.Log
	options Options
	replays *share.Slots // for steps of catching up
	sent    senders

	mu       sync.Mutex
	index    *index.Index[*view]
	matched  []*view // of deliver, which uses the memory again
	trying   *view   // of deliver: whose chooser or encoder runs
	views    map[viewKey]*view
	ring     ring
	recent   recent
	fanned   fanned
	last     uint64 // the position up to which deliver has got everything
	count    int    // subscribers
	draining bool
	behind   bool
}

// New makes the broker of a log, and registers it as the log's tail. Call it before the first append.
func New(log *eventlog.Log, o Options) *Broker {
	if o.RingBytes == 0 {
		o.RingBytes = 16 << 20
	}
	if o.Replays == 0 {
		o.Replays = 2 * runtime.GOMAXPROCS(0)
	}
	if o.RetryConnect == 0 {
		o.RetryConnect = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Broker{
		log:     log,
		options: o,
		replays: share.NewSlots(o.Replays, math.MaxInt), // no limit of those that wait: each is a connection, and those are limited
		index:   index.New[*view](),
		views:   map[viewKey]*view{},
		ring:    ring{limit: o.RingBytes},
		last:    log.Settled(),
	}
	log.Tail(b.deliver)
	log.OnEdit(b.edited)
	log.OnStored(b.sent.note)
	return b
}

// Log returns the broker's log. Events that are appended to it reach the subscribers, also during a drain.
func (b *Broker) Log() *eventlog.Log { return b.log }

// Head returns the position up to which all subscribers were woken that want something.
func (b *Broker) Head() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// deliver is the log's tail: the log calls it with each group of settled events, in order.
func (b *Broker) deliver(events []eventlog.Event, position uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(events) > 0 {
		events = events[b.deliverSome(events):]
	}
	b.last = max(b.last, position)
	clear(b.matched)
}

// deliverSome delivers events, and returns how many. It stops before an event for which a chooser or an encoder panicked;
// that view has ended, so the next call delivers the event to the others. One defer for many events costs less than one for
// each.
func (b *Broker) deliverSome(events []eventlog.Event) (delivered int) {
	defer b.contain()
	for ; delivered < len(events); delivered++ {
		b.deliverOne(&events[delivered])
	}
	return delivered
}

// deliverOne changes nothing but b.last before the last chooser and encoder have returned.
func (b *Broker) deliverOne(e *eventlog.Event) {
	b.last = e.ID
	b.matched = slices.DeleteFunc(b.index.Match(e.Channel(), b.matched[:0]), func(v *view) bool {
		b.trying = v
		return !v.wants(e)
	})
	b.fanned.note(e.ID, b.matched)
	if len(b.matched) == 0 {
		return
	}
	n := b.encode(entry{event: *e, custom: custom(e), stamp: b.log.Clock().Stamp(e.ID), except: e.Except()})
	for _, v := range b.matched {
		v.add(item{n, e.ID})
		for _, m := range v.members {
			m.markAll()
		}
	}
}

// contain is deferred: if a view's chooser or encoder panics, it ends that view, and the process goes on.
func (b *Broker) contain() {
	v := b.trying
	b.trying = nil
	cause := recover()
	if cause == nil {
		return
	}
	if v == nil {
		panic(cause) // the broker's own state is wrong
	}
	b.options.Logger.Error("an event cannot be encoded: the streams that want it end", "channels", v.key.set, "event", b.last,
		"cause", cause, "stack", string(debug.Stack()))
	b.remove(v)
	v.failed = true
	for _, m := range v.members {
		for _, s := range m.subs {
			s.end(EndFailed)
		}
	}
}

// remove makes the view get no more events and no more subscribers. A second call does nothing.
func (b *Broker) remove(v *view) {
	b.index.Remove(v.entry)
	if b.views[v.key] == v { // and not a newer one
		delete(b.views, v.key)
	}
}

// edited is called after events were changed or removed. If they were only removed, they are removed from the ring too, and
// blocks that may have them serve nobody any more. Otherwise the views of their spaces drop their lists, so that their
// subscribers read the log, where the change is.
func (b *Broker) edited(edit *eventlog.Edit) {
	spaces, removes := edit.Spaces(), edit.Removes()
	b.mu.Lock()
	defer b.mu.Unlock()
	if removes {
		for i := range edit.Remove {
			b.ring.remove(edit.Remove[i].ID)
		}
	}
	for _, v := range b.views {
		switch {
		case !slices.ContainsFunc(v.spaces, func(s string) bool { return spaces[s] }):
		case removes:
			v.edits.Add(1)
		default:
			v.forget(b.last)
		}
	}
}

// encode adds an entry to the ring and returns its index. First it makes all frames that the matched views need, because
// push counts their bytes.
func (b *Broker) encode(e entry) uint64 {
	for _, v := range b.matched {
		b.trying = v
		e.frame(v.form, b.options.RetryEvent)
	}
	b.trying = nil
	return b.ring.push(e)
}

// Filter has the wishes of a subscriber: which events, from where on, and in which form.
type Filter struct {
	Channels    channel.Set
	Frames      sse.Frames
	Encoder     Encoder         // if not nil: makes the frames, instead of Frames
	Chooser     Chooser         // if not nil: only events that it wants; if nil, an Encoder that is a Chooser chooses
	Choice      string          // what Chooser wants; two Choosers with the same text want the same
	Stream      string          // if not "": only events of this stream
	Names       []string        // if not empty: only events with one of these names
	LastEventID string          // where to begin; "" is now
	Start       *eventlog.Start // if not nil: where to begin, instead of LastEventID
	Asked       string          // with Start: the id that the client asked for, which a gap repeats
	Chunked     bool            // each frame is a chunk of HTTP/1.1
	Silent      bool            // it gets compacts of keyed events too
	Holder      Holder          // whose it is, for Each; nil: nobody's
	Slot        int32           // Subscriber.Slot, from the beginning
	Opened      bool            // its door says where it begins: there are no first frames
}

// Subscribe makes a cursor in a group, or in a new group if g is nil. The caller is its writer, until Close.
func (b *Broker) Subscribe(f Filter, g *Group) (*Subscriber, error) {
	spaces := f.Channels.Spaces()
	start, err := b.start(&f, spaces)
	if err != nil {
		return nil, err
	}
	if g == nil {
		g = b.NewGroup()
		g.single = true
	}
	s := &Subscriber{broker: b, chunked: f.Chunked, holder: f.Holder, Slot: f.Slot}
	if f.named() {
		s.connection = eventlog.NewConnection()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.draining:
		return nil, ErrDraining
	case b.behind:
		return nil, ErrBehind
	}
	b.view(f, spaces).of(g).add(s)
	b.count++
	if f.Start == nil && f.LastEventID == "" {
		start.After = b.last
	}
	// The subscriber joined its view under the same lock, so that no event falls between the two.
	s.after, s.lastID, s.seen, s.lost = start.After, start.After, b.last, start.Passed
	if !f.Opened {
		s.opening = &opening{cmp.Or(f.LastEventID, f.Asked), start}
	}
	return s, nil
}

// named reports whether the first frame names the connection: that of frames of /realtime does.
func (f *Filter) named() bool { return !f.Opened && f.Encoder == nil && f.Frames != sse.FramesLines }

func (b *Broker) start(f *Filter, spaces []string) (eventlog.Start, error) {
	if f.Start != nil || f.LastEventID == "" {
		return value(f.Start), nil
	}
	return b.Locate(context.Background(), spaces, f.LastEventID) // it waits for a barrier at most, which has a bound of its own
}

func value(s *eventlog.Start) (v eventlog.Start) {
	if s != nil {
		v = *s
	}
	return v
}

func (b *Broker) view(f Filter, spaces []string) *view {
	// No name contains a comma.
	key := viewKey{f.Channels.String(), f.Stream, strings.Join(f.Names, ","), form{f.Frames, f.Encoder}, f.Choice, f.Silent}
	v := b.views[key]
	if v == nil {
		// The texts may be parts of a request. Copies allow its memory to be freed while the view lives.
		key.stream = strings.Clone(key.stream)
		f.Stream = key.stream
		if len(f.Names) > 0 {
			key.names = strings.Clone(key.names) // Join does not copy a single name
			f.Names = strings.Split(key.names, ",")
		}
		v = &view{
			key: key, query: eventlog.Query{Channels: f.Channels, Stream: f.Stream, Names: f.Names}, spaces: spaces, form: key.form,
			since: b.last, through: b.last,
		}
		if v.chooser = f.Chooser; v.chooser == nil {
			v.chooser, _ = f.Encoder.(Chooser)
		}
		v.entry = b.index.Add(f.Channels, v)
		b.views[key] = v
	}
	return v
}

// Count returns the number of subscribers.
func (b *Broker) Count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count
}

// Views returns the number of views that the subscribers share.
func (b *Broker) Views() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.views)
}

// Drain ends every subscriber, with the reason EndDraining, and refuses new ones. It does not wait for the writers.
func (b *Broker) Drain() { b.refuse(&b.draining, EndDraining) }

// Suspend ends every subscriber, with the reason EndBehind, and refuses new ones until Resume. A gateway of a cluster that
// does not get the news must not be silent: its clients would think that there are none.
func (b *Broker) Suspend() { b.refuse(&b.behind, EndBehind) }

// Resume lets Subscribe work again after Suspend.
func (b *Broker) Resume() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.behind = false
}

// refuse makes Subscribe fail from now on, and ends all subscribers.
func (b *Broker) refuse(why *bool, reason End) {
	for _, s := range b.all(why) {
		s.End(reason)
	}
}

// all sets why, and returns the subscribers that joined before.
func (b *Broker) all(why *bool) []*Subscriber {
	b.mu.Lock()
	defer b.mu.Unlock()
	*why = true
	all := make([]*Subscriber, 0, b.count)
	for _, v := range b.views {
		for _, m := range v.members {
			all = append(all, m.subs...)
		}
	}
	return all
}
