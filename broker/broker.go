package broker

import (
	"cmp"
	"errors"
	"math"
	"runtime"
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

// Options are plain values; zero ones take the default named.
type Options struct {
	RingBytes    int           // bytes of frames shared at the head; 16 MiB
	RetryConnect time.Duration // the first retry of a stream; 2 s
	RetryEvent   time.Duration // the retry after events; 0 leaves the line out
	Replays      int           // steps of catching up under way at once, shared by owner; 2 a processor
}

// Stats are counters since the start.
type Stats struct {
	Deliveries atomic.Uint64 // event frames handed to writers
	Replayed   atomic.Uint64 // those of them that were read from the log
	Gaps       atomic.Uint64 // gaps told
}

// ErrDraining is the error of Subscribe once Drain was called.
var ErrDraining = errors.New("the gateway is draining")

// Broker hands what the log stores to who may see it.
type Broker struct {
	Stats Stats

	log     *eventlog.Log
	options Options
	replays *share.Slots // for steps of catching up

	mu       sync.Mutex
	index    *index.Index[*view]
	matched  []*view
	views    map[viewKey]*view
	ring     ring
	kept     kept
	last     uint64 // position that went through deliver
	count    int    // subscribers
	draining bool
}

// New makes the broker of a log and becomes its tail; the log must not have been appended to yet.
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
	b := &Broker{
		log:     log,
		options: o,
		replays: share.NewSlots(o.Replays, math.MaxInt), // who waits is a connection each
		index:   index.New[*view](),
		views:   map[viewKey]*view{},
		ring:    ring{limit: o.RingBytes},
		last:    log.Settled(),
	}
	log.Tail(b.deliver)
	log.OnEdit(b.edited)
	return b
}

// Log is the broker's log: what is appended to it is on its way to the subscribers, while draining too.
func (b *Broker) Log() *eventlog.Log { return b.log }

// deliver is the log's tail: it is called with each group of settled events, in order.
func (b *Broker) deliver(events []eventlog.Event, position uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range events {
		e := &events[i]
		b.last = e.ID
		b.matched = slices.DeleteFunc(b.index.Match(e.Channel(), b.matched[:0]), func(v *view) bool { return !v.wants(e) })
		if len(b.matched) == 0 {
			continue
		}
		_, method := channel.Method(e.Name)
		place := b.encode(entry{event: *e, custom: !method, stamp: b.log.Clock().Stamp(e.ID)})
		for _, v := range b.matched {
			v.add(mention{place, e.ID})
			for _, m := range v.members {
				m.mark()
			}
		}
	}
	b.last = max(b.last, position)
	clear(b.matched)
}

// edited is called when events were changed or taken away: who comes for them reads the log, not what is at hand.
func (b *Broker) edited(edit *eventlog.Edit) {
	spaces := edit.Spaces()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, v := range b.views {
		if slices.ContainsFunc(v.spaces, func(s string) bool { return spaces[s] }) {
			v.forget(b.last)
		}
	}
}

// encode makes the frames that the matched views want, before the entry is weighed by the ring.
func (b *Broker) encode(e entry) uint64 {
	for _, v := range b.matched {
		e.frame(v.form, b.options.RetryEvent)
	}
	return b.ring.push(e)
}

// Filter is what a subscriber asks for.
type Filter struct {
	Channels    channel.Set
	Frames      sse.Frames
	Encoder     Encoder         // in place of Frames, if any
	Chooser     Chooser         // only events that it wants, if any; else Encoder, where that is one
	Choice      string          // what Chooser wants: those of equal text are the same
	Stream      string          // only events of it, if any
	Names       []string        // only events with one of these names, if any
	LastEventID string          // "" begins now
	Start       *eventlog.Start // in place of LastEventID: where to begin
	Asked       string          // with Start: the id that was asked for, which a gap repeats
	Chunked     bool            // its frames are handed out as chunks of HTTP/1.1
	Silent      bool            // it gets compacts of keyed events too
	Holder      Holder          // whose it is, for Each; nil: nobody's
}

// Subscribe makes a cursor in a group, or, where that is nil, in one of its own. The caller is its writer,
// until Close.
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
	s := &Subscriber{broker: b, chunked: f.Chunked, holder: f.Holder}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining {
		return nil, ErrDraining
	}
	b.view(f, spaces).of(g).add(s)
	b.count++
	if f.Start == nil && f.LastEventID == "" {
		start.After = b.last
	}
	s.after, s.told, s.seen, s.lost = start.After, start.After, b.last, start.Passed
	s.opening = &opening{cmp.Or(f.LastEventID, f.Asked), start}
	return s, nil
}

func (b *Broker) start(f *Filter, spaces []string) (eventlog.Start, error) {
	if f.Start != nil || f.LastEventID == "" {
		return value(f.Start), nil
	}
	return b.Locate(spaces, f.LastEventID)
}

func value(s *eventlog.Start) (v eventlog.Start) {
	if s != nil {
		v = *s
	}
	return v
}

func (b *Broker) view(f Filter, spaces []string) *view {
	// Names hold no comma.
	key := viewKey{f.Channels.String(), f.Stream, strings.Join(f.Names, ","), form{f.Frames, f.Encoder}, f.Choice, f.Silent}
	v := b.views[key]
	if v == nil {
		// What is kept must not hold on to the request that it is a part of.
		key.stream = strings.Clone(key.stream)
		f.Stream = key.stream
		if len(f.Names) > 0 {
			key.names = strings.Clone(key.names) // of one name it is that name
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

// Count is how many subscribers there are.
func (b *Broker) Count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count
}

// Views is how many different views they share.
func (b *Broker) Views() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.views)
}

// Drain ends every subscriber, with reason EndDraining, and refuses new ones. It does not wait
// for their writers.
func (b *Broker) Drain() {
	for _, s := range b.refuse() {
		s.End(EndDraining)
	}
}

// refuse lets nobody in any more, and gives all who are.
func (b *Broker) refuse() []*Subscriber {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.draining = true
	all := make([]*Subscriber, 0, b.count)
	for _, v := range b.views {
		for _, m := range v.members {
			all = append(all, m.subs...)
		}
	}
	return all
}
