package broker

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"sync/atomic"
	"time"

	"sluice/broker/channel"
	"sluice/broker/eventlog"
	"sluice/broker/sse"
)

// Why a subscriber was ended from outside.
const (
	EndDraining = "draining"
	EndExpired  = "exp"
	EndRevoked  = "revoked"
	EndChanged  = "changed"
	EndCut      = "cut"
)

// Subscriber is a cursor on the log. Its methods but End are for its writer alone.
type Subscriber struct {
	broker *Broker
	view   *view
	wake   chan struct{}
	ending atomic.Pointer[string]
	sent   uint64 // events handed to the writer
	closed bool

	head  []byte // init, and the gap if there is one, until they are handed out
	after uint64 // all at or before it was handed to the writer or is not for it
	told  uint64 // the last id that the client was told
	live  bool   // reading the view's list; else the ring or the log
	pos   uint64 // number of the next mention in the view's list, while live
	fresh uint64 // the newest event handed out at the head, until TakeFresh
}

// begin makes the first frames. Init tells the position that the stream starts from, or, where it
// cannot start there, the client's own id and the gap tells the position.
func (s *Subscriber) begin(lastEventID string, start eventlog.Start) {
	retry := s.broker.options.RetryConnect
	s.told = start.After
	if start.Gap == "" {
		s.head = sse.AppendInit(nil, strconv.FormatUint(start.After, 10), retry)
		return
	}
	after := lastEventID
	if !IsID(after) {
		after = ""
	}
	s.head = sse.AppendInit(nil, after, retry)
	s.head = sse.AppendGap(s.head, start.After, start.Gap, after, start.Oldest)
	s.broker.Stats.Gaps.Add(1)
}

// IsID says whether a text is an id as clients may send it: 1 to 16 digits.
func IsID(s string) bool {
	if len(s) < 1 || len(s) > 16 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// Wake receives when there may be something new for Next, or an end.
func (s *Subscriber) Wake() <-chan struct{} { return s.wake }

func (s *Subscriber) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// End asks the writer to end the stream, from any goroutine; the first reason stays.
func (s *Subscriber) End(reason string) {
	s.ending.CompareAndSwap(nil, &reason)
	s.wakeUp()
}

// Ending is the reason given to End, or "".
func (s *Subscriber) Ending() string {
	if r := s.ending.Load(); r != nil {
		return *r
	}
	return ""
}

// Sent is how many events were handed to the writer.
func (s *Subscriber) Sent() uint64 { return s.sent }

// Close gives the cursor back.
func (s *Subscriber) Close() {
	b := s.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	b.count--
	delete(s.view.subs, s)
	if len(s.view.subs) == 0 {
		b.index.Remove(s.view.entry)
		delete(b.views, s.view.key)
	}
}

// Next appends to dst the whole frames that come next, and stops once dst holds limit bytes (the
// frame that crosses it is the last). With more it is to be called again at once; without, when
// Wake has received. It returns in bounded time: a step of catching up that finds nothing hands
// out nothing, so that pings go between.
func (s *Subscriber) Next(ctx context.Context, dst []byte, limit int) (out []byte, more bool, err error) {
	if s.head != nil {
		dst, s.head = append(dst, s.head...), nil
	}
	if dst, more = s.atHead(dst, limit); more || s.live {
		return dst, more, nil
	}
	dst, err = s.catchUp(ctx, dst, limit)
	return dst, true, err
}

// ringStep bounds how many entries are held against a view with the lock held.
const ringStep = 512

// atHead hands out what the hub holds. Afterwards the subscriber is live, or has to read the log.
func (s *Subscriber) atHead(dst []byte, limit int) (out []byte, more bool) {
	b, v := s.broker, s.view
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.live && (s.pos < v.base || s.pos < v.end() && v.list[s.pos-v.base].place < b.ring.first) {
		s.live = false
	}
	if !s.live && s.after >= v.through {
		if pos := v.after(s.after); pos == v.end() || v.list[pos-v.base].place >= b.ring.first {
			s.live, s.pos = true, pos
		}
	}
	if !s.live {
		if s.after >= max(v.since, b.ring.evicted) {
			return s.walkRing(dst, limit), true
		}
		return dst, false
	}
	for ; s.pos < v.end(); s.pos++ {
		if len(dst) >= limit {
			v.read(s.pos)
			return dst, true
		}
		dst = s.hand(dst, b.ring.at(v.list[s.pos-v.base].place))
	}
	v.read(s.pos)
	s.after = max(s.after, b.last)
	return dst, false
}

// walkRing reads on from the position through the ring, holding each entry against the view. It is
// for who fell out of the view's list while the ring still has everything.
func (s *Subscriber) walkRing(dst []byte, limit int) []byte {
	b := s.broker
	n := int(b.ring.next - b.ring.first)
	from := sort.Search(n, func(i int) bool { return b.ring.at(b.ring.first+uint64(i)).event.ID > s.after })
	for i := from; i < min(n, from+ringStep) && len(dst) < limit; i++ {
		e := b.ring.at(b.ring.first + uint64(i))
		if s.view.set.Match(e.event.Channel()) {
			dst = s.hand(dst, e)
		}
		s.after = e.event.ID
	}
	return dst
}

// hand appends the entry's frame, unless the cursor has passed it: a reader of the log can be ahead
// of the hub by the group that is on its way.
func (s *Subscriber) hand(dst []byte, e *entry) []byte {
	if e.event.ID <= s.after {
		return dst
	}
	s.handed(e.event.ID)
	s.fresh = e.event.ID
	return append(dst, e.frame(s.view.frames, s.broker.options.RetryEvent)...)
}

func (s *Subscriber) handed(id uint64) {
	s.after, s.told = id, id
	s.sent++
	s.broker.Stats.Deliveries.Add(1)
}

// TakeFresh is the id of the newest event that was handed out at the head since the last call, 0 where
// there was none. An id is the time of its commit, so a writer can tell how long the way took.
func (s *Subscriber) TakeFresh() uint64 {
	id := s.fresh
	s.fresh = 0
	return id
}

// AppendPing appends a ping. It carries the position reached, if that has moved since the client
// was last told one.
func (s *Subscriber) AppendPing(dst []byte, now time.Time) []byte {
	id := uint64(0)
	if s.after != s.told {
		id, s.told = s.after, s.after
	}
	return sse.AppendPing(dst, id, now)
}

// pageEvents bounds a step of catching up; so does the limit of bytes, as pages are handed out
// whole: 256 events of the greatest size are 16 MiB for a moment, under the budget of all replays.
const pageEvents = 256

// catchUp takes one step through the log.
func (s *Subscriber) catchUp(ctx context.Context, dst []byte, limit int) ([]byte, error) {
	b := s.broker
	select {
	case b.replays <- struct{}{}:
		defer func() { <-b.replays }()
	case <-ctx.Done():
		return dst, ctx.Err()
	}
	page, err := s.page(ctx)
	if err != nil {
		return dst, fmt.Errorf("reading on after %d: %w", s.after, err)
	}
	if page.Removed > s.after {
		if dst, err = s.gap(dst, page.Removed); err != nil {
			return dst, err
		}
	}
	for i := range page.Events {
		e := &page.Events[i]
		if e.ID <= s.after {
			continue
		}
		if len(dst) >= limit {
			return dst, nil // the rest of the page is read again
		}
		_, method := channel.Method(e.Name)
		dst = sse.AppendWhole(dst, e.ID, e.Name, !method, e.Collection, e.Stream, e.Data, s.view.frames, b.options.RetryEvent)
		s.handed(e.ID)
		b.Stats.Replayed.Add(1)
	}
	s.after = max(s.after, page.Reached)
	return dst, nil
}

func (s *Subscriber) gap(dst []byte, removed uint64) ([]byte, error) {
	oldest := uint64(0)
	for _, space := range s.view.spaces {
		state, err := s.broker.log.State(space)
		if err != nil {
			return dst, err
		}
		if state.Oldest != 0 && (oldest == 0 || state.Oldest < oldest) {
			oldest = state.Oldest
		}
	}
	dst = sse.AppendGap(dst, removed, "expired", strconv.FormatUint(s.after, 10), oldest)
	s.after, s.told = removed, removed
	s.broker.Stats.Gaps.Add(1)
	return dst, nil
}

// page reads one step of every space of the view and merges them: what lies behind the space that
// came the least far is read again. A gap in one space is told once for all.
func (s *Subscriber) page(ctx context.Context) (eventlog.Page, error) {
	var merged eventlog.Page
	for i, space := range s.view.spaces {
		q := eventlog.Query{Space: space, Channels: s.view.set}
		p, err := s.broker.log.Read(ctx, &q, s.after, pageEvents)
		if err != nil {
			return merged, err
		}
		if i == 0 {
			merged = p
			continue
		}
		merged.Events = append(merged.Events, p.Events...)
		merged.Reached = min(merged.Reached, p.Reached)
		merged.Removed = max(merged.Removed, p.Removed)
	}
	if len(s.view.spaces) > 1 {
		merged.Events = slices.DeleteFunc(merged.Events, func(e eventlog.Event) bool { return e.ID > merged.Reached })
		slices.SortFunc(merged.Events, func(a, b eventlog.Event) int { return int(int64(a.ID) - int64(b.ID)) })
	}
	return merged, nil
}
