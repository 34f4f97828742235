package broker

import (
	"context"
	"slices"
	"sort"
	"sync"

	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/share"
)

// The log does not store who has published an event, nor who got it. The broker remembers both for the newest events, so
// that an administrator can follow an event's way. Both memories have a fixed size, and what is noted is copied: nothing of
// a request stays in memory.
const (
	sendersKept = 4096  // requests that stored something: 0.7 MiB
	fannedKept  = 16384 // events: 0.25 MiB
)

// senders has who sent the newest requests that were stored through this log.
type senders struct {
	mu   sync.Mutex
	all  []sent
	next int
}

// sent is one request. Its texts are cut to what fits.
type sent struct {
	first      uint64
	count      uint32
	kind, door string // the gateway's own words
	name       short[[64]byte]
	from       short[[46]byte]
	request    short[[16]byte]
}

// short is a text of bounded length, in its own memory.
type short[A [64]byte | [46]byte | [16]byte] struct {
	n    uint8
	text A
}

func (s *senders) note(by share.Sender, first uint64, count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make([]sent, sendersKept)
	}
	one := &s.all[s.next]
	s.next = (s.next + 1) % sendersKept
	one.first, one.count, one.kind, one.door = first, uint32(count), by.Kind, by.Door
	one.name.n = uint8(copy(one.name.text[:], by.Name))
	one.from.n = uint8(copy(one.from.text[:], by.From))
	one.request.n = uint8(copy(one.request.text[:], by.RequestID))
}

// of returns who sent the request that stored an event.
func (s *senders) of(id uint64) (by share.Sender, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.all {
		one := &s.all[i]
		if one.first != 0 && one.first <= id && id < one.first+uint64(one.count) {
			return share.Sender{
				Name: string(one.name.text[:one.name.n]), Kind: one.kind, Door: one.door,
				From: string(one.from.text[:one.from.n]), RequestID: string(one.request.text[:one.request.n]),
			}, true
		}
	}
	return by, false
}

// fanned has how many subscribers the newest events were for. Broker.mu guards it.
type fanned struct {
	all  []fan // a ring once it is full
	next int
}

// fan is how many views wanted an event, and how many subscribers they had when it was published.
type fan struct {
	id                 uint64
	views, subscribers uint32
}

func (f *fanned) note(id uint64, matched []*view) {
	one := fan{id: id, views: uint32(len(matched))}
	for _, v := range matched {
		one.subscribers += uint32(v.count)
	}
	if len(f.all) < fannedKept {
		if f.all == nil {
			f.all = make([]fan, 0, fannedKept)
		}
		f.all = append(f.all, one)
		return
	}
	f.all[f.next] = one
	f.next = (f.next + 1) % fannedKept
}

// of returns what is known of an event. Ids only grow, from next on.
func (f *fanned) of(id uint64) (fan, bool) {
	n := len(f.all)
	at := func(i int) *fan { return &f.all[(f.next+i)%n] }
	i := sort.Search(n, func(i int) bool { return at(i).id >= id })
	if i == n || at(i).id != id {
		return fan{}, false
	}
	return *at(i), true
}

// Way is what the broker knows of the way of an event through this gateway.
type Way struct {
	Sender      share.Sender
	Published   bool // Sender is known
	Fanned      bool // Views and Subscribers are known
	Views       int  // filters that wanted it when it was published
	Subscribers int  // of those filters, at that time
	Now         []Wanting
	Waiting     int // of the subscribers that are there now and were there then, those that have not taken it yet
}

// Wanting is a view that matches an event now.
type Wanting struct {
	Channels    string
	Subscribers int
}

// maxWanting bounds Way.Now: there can be as many views as subscribers.
const maxWanting = 20

// Way returns what is known of the way of an event: of the newest events who published them, if that was at this gateway,
// and how many subscribers they were for.
func (b *Broker) Way(e *eventlog.Event) (w Way) {
	w.Sender, w.Published = b.sent.of(e.ID)
	b.mu.Lock()
	defer b.mu.Unlock()
	one, known := b.fanned.of(e.ID)
	w.Fanned, w.Views, w.Subscribers = known, int(one.views), int(one.subscribers)
	for _, v := range b.index.Match(e.Channel(), nil) {
		if v.chooser == nil && !v.wants(e) { // a chooser may take long: its view counts as one that wants the event
			continue
		}
		w.Now = append(w.Now, Wanting{v.key.set, v.count})
		if known {
			w.Waiting += v.waiting(e.ID)
		}
	}
	slices.SortFunc(w.Now, func(x, y Wanting) int { return y.Subscribers - x.Subscribers })
	w.Now = w.Now[:min(len(w.Now), maxWanting)]
	return w
}

// waiting counts the subscribers that have not been at the head since an event.
func (v *view) waiting(id uint64) (n int) {
	for _, m := range v.members {
		for _, s := range m.subs {
			if s.seen < id {
				n++
			}
		}
	}
	return n
}

// Event returns the event of a space with an id, or nil if the log does not have it, or not any more.
func (b *Broker) Event(ctx context.Context, space string, id uint64) (*eventlog.Event, error) {
	if id == 0 || id > b.log.Settled() {
		return nil, nil
	}
	q := &eventlog.Query{Space: space, Channels: channel.NewSet(channel.Pattern{Space: space})}
	page, err := b.log.Read(ctx, q, id-1, 1)
	if err != nil || len(page.Events) == 0 || page.Events[0].ID != id {
		return nil, err
	}
	return &page.Events[0], nil
}
