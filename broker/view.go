package broker

import (
	"slices"
	"sort"
	"sync/atomic"

	"sluice/broker/index"
	"sluice/store/eventlog"
)

// viewKey is what makes two subscribers the same to the hub.
type viewKey struct {
	set    string
	stream string
	names  string
	form   form
	choice string // what the chooser wants
	silent bool   // it gets what is not told to others
}

// mention is an event of a view: its place in the ring, and its id.
type mention struct{ place, id uint64 }

// view is a filter and a way to name frames, shared by all subscribers that have the same. It
// lists the events at the head that match; it holds no frames.
type view struct {
	key     viewKey
	query   eventlog.Query // of any of the spaces
	spaces  []string
	form    form
	chooser Chooser // the filter's, or the form's encoder, where it is one
	entry   *index.Entry[*view]
	members []*members
	count   int // subscribers
	list    []mention
	base    uint64        // number of list[0] since the view began
	since   uint64        // every match after this id was listed, if only for a time
	edits   atomic.Uint64 // blocks made before the last of them are not handed out to others
	through uint64        // all mentions up to this id have been dropped again
}

// forget drops all that is at hand: it may not be so any more, and is read from the log again.
func (v *view) forget(last uint64) {
	v.drop(len(v.list))
	v.since = last
	v.edits.Add(1)
}

// chosen reports whether the view's chooser, if it has one, wants an event.
func (v *view) chosen(e *eventlog.Event) bool { return v.chooser == nil || v.chooser.Wants(e) }

// wants reports whether an event of the view's channels is for it.
func (v *view) wants(e *eventlog.Event) bool {
	return (e.Op != eventlog.Compact || v.key.silent) && (v.query.Stream == "" || v.query.Stream == e.Stream) &&
		(len(v.query.Names) == 0 || slices.Contains(v.query.Names, e.Name)) && v.chosen(e)
}

// match reports whether an event is for the view.
func (v *view) match(e *eventlog.Event) bool {
	return v.query.Channels.Match(e.Channel()) && v.wants(e)
}

func (v *view) end() uint64 { return v.base + uint64(len(v.list)) }

// listPerView and listPerSubscriber bound a view's list: 1.3 KiB for a view of one, and enough
// for a thousand subscribers to be a burst of 16,000 events behind without reading the log.
const (
	listPerView       = 64
	listPerSubscriber = 16
	listMost          = 1 << 16
)

func (v *view) add(m mention) {
	if len(v.list) >= min(listPerView+listPerSubscriber*v.count, listMost) {
		v.drop(len(v.list)/2 + 1)
	}
	v.list = append(v.list, m)
}

// drop forgets the oldest n mentions; who has not read them reads the ring or the log instead.
func (v *view) drop(n int) {
	if n == 0 {
		return
	}
	v.through = v.list[n-1].id
	v.base += uint64(n)
	v.list = v.list[:copy(v.list, v.list[n:])]
	if len(v.list) == 0 && cap(v.list) > listPerView {
		v.list = nil
	}
}

// read is called when a subscriber has read up to number n. Where it is the only one, what it has
// read is dropped, so that a view for each user stays as small as it began.
func (v *view) read(n uint64) {
	if v.count == 1 && n > v.base {
		v.drop(int(n - v.base))
	}
}

// after is the number of the first mention with a greater id.
func (v *view) after(id uint64) uint64 {
	return v.base + uint64(sort.Search(len(v.list), func(i int) bool { return v.list[i].id > id }))
}
