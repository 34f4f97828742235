package broker

import (
	"slices"
	"sort"
	"sync/atomic"

	"sluice/broker/index"
	"sluice/store/eventlog"
)

// viewKey identifies a view. Subscribers with the same key share one.
type viewKey struct {
	set    string
	stream string
	names  string
	form   form
	choice string // what the chooser wants
	silent bool   // as in Filter
}

// item is an event in a view's list: its index in the ring, and its id.
type item struct{ index, id uint64 }

// view is a filter and a form of frames, shared by all subscribers that have the same. It lists the matching events at the
// head; their frames are in the ring.
type view struct {
	key     viewKey
	query   eventlog.Query // without a space
	spaces  []string
	form    form
	chooser Chooser // the filter's; if that has none, the form's encoder if it is a Chooser
	entry   *index.Entry[*view]
	members []*members
	count   int // subscribers
	list    []item
	base    uint64        // the number of list[0], counted since the view was made
	since   uint64        // every matching event after this id was put into the list, even if it was dropped again
	through uint64        // all items up to this id have been dropped
	failed  bool          // its encoder or chooser panicked: its subscribers have ended, and it gets no more events
	edits   atomic.Uint64 // changes of events that are in the log; a block made before the last of them serves no subscriber
}

// forget drops the whole list: its events may have changed, and must be read from the log again.
func (v *view) forget(last uint64) {
	v.drop(len(v.list))
	v.since = last
	v.edits.Add(1)
}

// chosen reports whether the view's chooser, if it has one, wants an event.
func (v *view) chosen(e *eventlog.Event) bool { return v.chooser == nil || v.chooser.Wants(e) }

// wants reports whether an event on one of the view's channels matches the rest of its filter.
func (v *view) wants(e *eventlog.Event) bool {
	return (e.Op != eventlog.Compact || v.key.silent) && (v.query.Stream == "" || v.query.Stream == e.Stream) &&
		(len(v.query.Names) == 0 || slices.Contains(v.query.Names, e.Name)) && v.chosen(e)
}

// match reports whether an event matches the view's filter.
func (v *view) match(e *eventlog.Event) bool {
	return v.query.Channels.Match(e.Channel()) && v.wants(e)
}

// end returns the number of the next item.
func (v *view) end() uint64 { return v.base + uint64(len(v.list)) }

// The length of a view's list: 1.3 KiB for one subscriber. With a thousand subscribers, they may be a burst of 16,000
// events behind without reading the log.
const (
	listPerView       = 64
	listPerSubscriber = 16
	maxListEntries    = 1 << 16
)

func (v *view) add(m item) {
	if len(v.list) >= min(listPerView+listPerSubscriber*v.count, maxListEntries) {
		v.drop(len(v.list)/2 + 1)
	}
	v.list = append(v.list, m)
}

// drop removes the oldest n items. A subscriber that has not read them reads the ring or the log instead.
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

// read is called when a subscriber has read the items before number n. If it is the only subscriber, they are dropped, so
// that the view of a single user stays small.
func (v *view) read(n uint64) {
	if v.count == 1 && n > v.base {
		v.drop(int(n - v.base))
	}
}

// after returns the number of the first item with a greater id.
func (v *view) after(id uint64) uint64 {
	return v.base + uint64(sort.Search(len(v.list), func(i int) bool { return v.list[i].id > id }))
}
