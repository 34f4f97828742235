package broker

import (
	"context"
	"sort"
	"strconv"
	"sync/atomic"
	"time"

	"sluice/broker/sse"
	"sluice/channel"
	"sluice/store/eventlog"
)

// End is why a stream ends; "" while it goes on. Clients, logs and metrics see the word. Writers have further reasons.
type End string

// Reasons to end a subscriber from outside.
const (
	EndDraining End = "draining" // the gateway stops
	EndBehind   End = "behind"   // the gateway is behind the others of its cluster
	EndExpired  End = "exp"      // the credential has expired
	EndRevoked  End = "revoked"  // the credential was removed or revoked
	EndChanged  End = "changed"  // the credential's grant was changed
	EndCut      End = "cut"      // closed at once, without a last frame: by an administrator, or because the writer stops
	EndFailed   End = "failed"   // the log could not be read, or an event could not be encoded
)

// Subscriber is a cursor on the log. Only its writer may call its methods, except End.
//
// The field after is the cursor's position. It decides where the cursor reads next:
//
//	         oldest                 ring.evicted           view.through        broker.last
//	 removed   |        log              |        ring          |       list        |  still to come
//	-----------+-------------------------+----------------------+-------------------+----------------> ids
//	 Behind: Fetch reads one step of the | walkRing compares    | live: gather      | Idle: wait
//	 log, with a gap if events were      | each entry of the    | takes the items   | for Wake
//	 removed                             | ring with the view   | of the view       |
//
// A cursor that reads moves to the right in this picture. The borders move to the right as well, because the ring and the
// list drop their oldest entries; so a slow cursor falls behind. locate decides whether a cursor is live. The ring has only
// events that some view wanted. Before a view was made (view.since) it may lack events of that view, so it serves the
// view only from there on.
type Subscriber struct {
	Slot int32 // for the writer
	Spot int32 // for a writer with several subscribers of a socket: which of them it is

	broker  *Broker
	holder  Holder // Filter.Holder
	members *members
	ending  atomic.Pointer[End]
	opening *opening // nil once the first frames were taken, and with Filter.Opened
	sent    uint64   // events that the writer got
	after   uint64   // the position: all matching events at or before it were given to the writer
	lost    uint64   // with several spaces: the client got a gap for all that was removed up to here
	lastID  uint64   // the last id that the client got; never beyond after
	seen    uint64   // the newest position when it was last at the head; Broker.mu guards it
	pos     uint64   // if live: the number of the next item in the view's list
	at      int      // index in members.subs
	live    bool     // reads the view's list; otherwise the ring or the log
	chunked bool
	closed  bool

	connection eventlog.Connection // as init names it; zero for streams without an init
}

// opening has the values of the first frames.
type opening struct {
	lastEventID string
	start       eventlog.Start
}

// AppendOpening appends the first frames. Usually the frame init has the position where the stream starts. If events after
// the client's id are gone, init repeats that id, and a gap has the position.
func (s *Subscriber) AppendOpening(dst []byte) []byte {
	if s.opening == nil {
		return dst
	}
	retry, start, after := s.broker.options.RetryConnect, s.opening.start, s.opening.lastEventID
	s.opening = nil
	if s.members.view.form.frames == sse.FramesLines {
		return s.openLines(dst, start, after)
	}
	if start.Gap == eventlog.NoGap {
		return sse.AppendInit(dst, strconv.FormatUint(start.After, 10), s.connection.String(), retry)
	}
	if !IsID(after) {
		after = ""
	}
	dst = sse.AppendInit(dst, after, s.connection.String(), retry)
	s.broker.Stats.Gaps.Add(1)
	return sse.AppendGap(dst, start.After, string(start.Gap), after, start.Oldest)
}

// openLines appends the beginning of a stream of lines: nothing, or a gap.
func (s *Subscriber) openLines(dst []byte, start eventlog.Start, after string) []byte {
	if start.Gap == eventlog.NoGap {
		return dst
	}
	if !IsID(after) {
		after = ""
	}
	s.broker.Stats.Gaps.Add(1)
	return sse.AppendGapLine(dst, string(start.Gap), after, start.Oldest)
}

// IsID reports whether a text is an id as clients may send it: 1 to 16 digits.
func IsID(s string) bool {
	_, ok := eventlog.ParseID(s)
	return ok
}

// Wake receives when the subscriber's group may have new events, or a subscriber to end.
func (s *Subscriber) Wake() <-chan struct{} { return s.members.group.wake }

// Group is the group that it is of. One without others is of a group of its own.
func (s *Subscriber) Group() *Group { return s.members.group }

// End asks the writer to end the stream. Any goroutine may call it. Only the first reason counts.
func (s *Subscriber) End(reason End) {
	if s.Ending() != "" {
		return
	}
	b := s.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	s.end(reason)
}

// end is End for a caller that holds Broker.mu.
func (s *Subscriber) end(reason End) {
	if !s.ending.CompareAndSwap(nil, &reason) || s.closed {
		return
	}
	g := s.members.group
	if !g.single {
		g.ended = append(g.ended, s)
	}
	g.Kick()
}

// Ending returns the reason of End, or "".
func (s *Subscriber) Ending() End {
	if r := s.ending.Load(); r != nil {
		return *r
	}
	return ""
}

// Sent returns the number of events that the writer got.
func (s *Subscriber) Sent() uint64 { return s.sent }

// Channels returns those of its filter. Subscribers with the same filter share them.
func (s *Subscriber) Channels() channel.Set { return s.members.view.query.Channels }

// Closed reports whether Close was called.
func (s *Subscriber) Closed() bool { return s.closed }

// Close removes the cursor from the broker.
func (s *Subscriber) Close() {
	b := s.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	b.count--
	v := s.members.view
	s.members.remove(s)
	if v.count == 0 {
		b.remove(v)
	}
}

// Progress is the result of Peek.
type Progress int

const (
	Idle   Progress = iota // at the head: call Peek again when Wake receives
	More                   // the block comes next, even if it is empty; then call Peek again
	Behind                 // the ring does not reach back far enough: call Fetch
)

// How many entries of the ring are compared with a view while the broker is locked.
const (
	ringStep   = 512
	chosenStep = 32 // with a chooser, which takes longer for each entry
)

// Peek returns the block that comes next, up to and including the frame that crosses limit bytes. It takes a bounded time
// and does not wait. The block is k, or a shared one, which the caller must not change. Pass it to Advance.
func (s *Subscriber) Peek(k *Block, limit int) (*Block, Progress) {
	if k.serves(s) {
		return k, More
	}
	b, v := s.broker, s.members.view
	b.mu.Lock()
	defer b.mu.Unlock()
	s.locate()
	if k.serves(s) {
		return k, More
	}
	switch {
	case v.failed:
		return k, Behind // the list lacks events; the log has all
	case s.live && s.pos == v.end():
		s.after = max(s.after, b.last)
		s.seen = s.after
		return k, Idle
	case s.live:
		k.reset(s)
		s.gather(k, limit)
		return k, More
	case s.after >= max(v.since, b.ring.evicted):
		k.reset(s)
		s.walkRing(k, limit)
		return k, More
	}
	if shared := b.recent.find(s); shared != nil {
		return shared, More
	}
	return k, Behind
}

// AtHead reports whether the cursor has delivered all events so far. Its group wakes it for later ones. The end of a block
// does not show this: another event may have been published, and the wake-up consumed, after the block was made.
func (s *Subscriber) AtHead() bool {
	b := s.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	at := s.live && s.pos == s.members.view.end()
	if at {
		s.seen = b.last
	}
	return at
}

// locate decides whether the cursor is live, and finds its number in the view's list. The caller holds Broker.mu.
func (s *Subscriber) locate() {
	r, v := &s.broker.ring, s.members.view
	if s.live && (s.pos < v.base || s.pos < v.end() && v.list[s.pos-v.base].index < r.first) {
		s.live = false
	}
	if !s.live && s.after >= v.through {
		if pos := v.after(s.after); pos == v.end() || v.list[pos-v.base].index >= r.first {
			s.live, s.pos = true, pos
		}
	}
	if s.live {
		v.read(s.pos)
	}
}

// gather fills a block from the view's list.
func (s *Subscriber) gather(k *Block, limit int) {
	b, v := s.broker, s.members.view
	pos := s.pos
	for ; pos < v.end() && len(k.Bytes) < limit; pos++ {
		if e := b.ring.at(v.list[pos-v.base].index); e.event.ID > s.after && k.gives(s, e.except) {
			k.add(e, b.options.RetryEvent)
		}
		k.reached = max(k.reached, v.list[pos-v.base].id)
	}
	k.end = pos
	if pos == v.end() {
		k.reached = max(k.reached, b.last)
	}
}

// walkRing fills a block from the ring, and compares each entry with the view. It is for a cursor whose next items are no
// longer in the view's list while their entries are still in the ring.
func (s *Subscriber) walkRing(k *Block, limit int) {
	b := s.broker
	n, step := int(b.ring.next-b.ring.first), ringStep
	if k.view.chooser != nil {
		step = chosenStep
	}
	from := sort.Search(n, func(i int) bool { return b.ring.at(b.ring.first+uint64(i)).event.ID > s.after })
	for i := from; i < min(n, from+step) && len(k.Bytes) < limit; i++ {
		e := b.ring.at(b.ring.first + uint64(i))
		if k.view.match(&e.event) && k.gives(s, e.except) {
			k.add(e, b.options.RetryEvent)
		}
		k.reached = e.event.ID
	}
}

// Advance moves the cursor over the first n bytes of a block, which were written, and over the rest of the last frame that
// they touch. It returns that rest, which the writer must still write. With the entries of a keyed space (Block.whole),
// the rest is all of the block.
func (s *Subscriber) Advance(k *Block, n int) (rest []byte) {
	if n < len(k.Bytes) && !k.whole {
		return s.advancePart(k, n)
	}
	if n == 0 && len(k.Bytes) > 0 {
		return nil
	}
	for i := range k.frameEnds {
		s.delivered(k.frameEnds[i].id, k.frameEnds[i].gap)
	}
	if k.live {
		s.pos = k.end
	}
	s.after = max(s.after, k.reached)
	if n < len(k.Bytes) {
		return k.Bytes[n:]
	}
	return nil
}

func (s *Subscriber) advancePart(k *Block, n int) []byte {
	i := sort.Search(len(k.frameEnds), func(i int) bool { return k.frameEnds[i].end >= n })
	if n == 0 {
		return nil
	}
	for _, m := range k.frameEnds[:i+1] {
		s.delivered(m.id, m.gap)
	}
	s.live = false // locate finds the number again from the position
	return k.Bytes[n:k.frameEnds[i].end]
}

func (s *Subscriber) delivered(id uint64, gap bool) {
	s.after, s.lastID = id, id
	if gap {
		s.broker.Stats.Gaps.Add(1)
		return
	}
	s.sent++
	s.broker.Stats.Deliveries.Add(1)
}

// Next calls Peek, and then Fetch if that is needed. It is for writers that may wait.
func (s *Subscriber) Next(ctx context.Context, k *Block, limit int) (*Block, Progress, error) {
	next, progress := s.Peek(k, limit)
	if progress != Behind {
		return next, progress, nil
	}
	next, err := s.Fetch(ctx, limit)
	return next, More, err
}

// Position returns the position up to which everything was delivered.
func (s *Subscriber) Position() uint64 { return s.after }

// AppendPing appends a ping. It has the position as its id if that has moved since the client last got an id.
func (s *Subscriber) AppendPing(dst []byte, now time.Time) []byte {
	return sse.AppendPing(dst, s.TakePosition(), now)
}

// TakePosition returns the position for the client if it has moved since the client last got an id, and otherwise 0.
func (s *Subscriber) TakePosition() uint64 {
	if s.after == s.lastID {
		return 0
	}
	s.lastID = s.after
	return s.after
}
