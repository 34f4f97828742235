package broker

import (
	"context"
	"sort"
	"strconv"
	"sync/atomic"
	"time"

	"sluice/broker/sse"
	"sluice/store/eventlog"
)

// End is why a stream ends; "" while it goes on. Clients, logs and metrics see the word. Writers have reasons of their own
// beside these.
type End string

// Why a subscriber was ended from outside.
const (
	EndDraining End = "draining"
	EndExpired  End = "exp"
	EndRevoked  End = "revoked"
	EndChanged  End = "changed"
	EndCut      End = "cut"
)

// Subscriber is a cursor on the log. Its methods but End are for its writer alone.
type Subscriber struct {
	Slot int32 // the writer's own

	broker  *Broker
	holder  Holder // Filter.Holder
	members *members
	ending  atomic.Pointer[End]
	opening *opening // until the first frames are handed out
	sent    uint64   // events handed to the writer
	after   uint64   // all at or before it was handed to the writer or is not for it
	lost    uint64   // of several spaces: what was removed up to here, the client was told of
	told    uint64   // the last id that the client was told
	seen    uint64   // up to here it was at the head; Broker.mu
	pos     uint64   // number of the next mention in the view's list, while live
	at      int      // place in members.subs
	live    bool     // reading the view's list; else the ring or the log
	chunked bool
	closed  bool
}

// opening is what the first frames tell.
type opening struct {
	lastEventID string
	start       eventlog.Start
}

// AppendOpening appends the first frames. Init tells the position that the stream starts from, or, where
// it cannot start there, the client's own id and the gap tells the position.
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
		return sse.AppendInit(dst, strconv.FormatUint(start.After, 10), retry)
	}
	if !IsID(after) {
		after = ""
	}
	dst = sse.AppendInit(dst, after, retry)
	s.broker.Stats.Gaps.Add(1)
	return sse.AppendGap(dst, start.After, string(start.Gap), after, start.Oldest)
}

// openLines appends what a stream of lines begins with: nothing, or a gap.
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

// IsID reports whether a text is an id as clients may send it.
func IsID(s string) bool {
	_, ok := eventlog.ParseID(s)
	return ok
}

// Wake receives when there may be something new for the subscriber's group, or an end.
func (s *Subscriber) Wake() <-chan struct{} { return s.members.group.wake }

// End asks the writer to end the stream, from any goroutine; the first reason stays.
func (s *Subscriber) End(reason End) {
	if !s.ending.CompareAndSwap(nil, &reason) {
		return
	}
	b := s.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.closed {
		return
	}
	g := s.members.group
	if !g.single {
		g.ended = append(g.ended, s)
	}
	g.Kick()
}

// Ending is the reason given to End, or "".
func (s *Subscriber) Ending() End {
	if r := s.ending.Load(); r != nil {
		return *r
	}
	return ""
}

// Sent is how many events were handed to the writer.
func (s *Subscriber) Sent() uint64 { return s.sent }

// Closed says whether Close was called.
func (s *Subscriber) Closed() bool { return s.closed }

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
	v := s.members.view
	s.members.remove(s)
	if v.count == 0 {
		b.index.Remove(v.entry)
		delete(b.views, v.key)
	}
}

// Progress is what Peek has found.
type Progress int

// Progress of a cursor.
const (
	Idle   Progress = iota // it is at the head: call again when Wake has received
	More                   // the block comes next, even if it is empty; then call again
	Behind                 // it has to Fetch
)

// ringStep bounds how many entries are held against a view with the lock held; chosenStep, where the view has a chooser,
// which takes longer for each.
const (
	ringStep   = 512
	chosenStep = 32
)

// Peek finds what comes next, up to the frame that crosses limit bytes, in bounded time and without
// waiting. The block is k, or one that is shared and not to be written to; it is to be given to Advance.
func (s *Subscriber) Peek(k *Block, limit int) (*Block, Progress) {
	if k.serves(s) {
		return k, More
	}
	b, v := s.broker, s.members.view
	b.mu.Lock()
	defer b.mu.Unlock()
	s.place()
	if k.serves(s) {
		return k, More
	}
	switch {
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
	if shared := b.kept.find(s); shared != nil {
		return shared, More
	}
	return k, Behind
}

// AtHead says whether the cursor has handed out all there is. What comes later is told by its group; a block
// cannot say it, as it may have been made, and its mark taken, before something else was published.
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

// place finds the cursor's place in the view's list, and whether it has one.
func (s *Subscriber) place() {
	r, v := &s.broker.ring, s.members.view
	if s.live && (s.pos < v.base || s.pos < v.end() && v.list[s.pos-v.base].place < r.first) {
		s.live = false
	}
	if !s.live && s.after >= v.through {
		if pos := v.after(s.after); pos == v.end() || v.list[pos-v.base].place >= r.first {
			s.live, s.pos = true, pos
		}
	}
	if s.live {
		v.read(s.pos)
	}
}

func (s *Subscriber) gather(k *Block, limit int) {
	b, v := s.broker, s.members.view
	pos := s.pos
	for ; pos < v.end() && len(k.Bytes) < limit; pos++ {
		if e := b.ring.at(v.list[pos-v.base].place); e.event.ID > s.after {
			k.add(e, b.options.RetryEvent)
		}
		k.reached = max(k.reached, v.list[pos-v.base].id)
	}
	k.end = pos
	if pos == v.end() {
		k.reached = max(k.reached, b.last)
	}
}

// walkRing reads on from the position through the ring, holding each entry against the view. It is
// for who fell out of the view's list while the ring still has everything.
func (s *Subscriber) walkRing(k *Block, limit int) {
	b := s.broker
	n, step := int(b.ring.next-b.ring.first), ringStep
	if k.view.chooser != nil {
		step = chosenStep
	}
	from := sort.Search(n, func(i int) bool { return b.ring.at(b.ring.first+uint64(i)).event.ID > s.after })
	for i := from; i < min(n, from+step) && len(k.Bytes) < limit; i++ {
		e := b.ring.at(b.ring.first + uint64(i))
		if k.view.match(&e.event) {
			k.add(e, b.options.RetryEvent)
		}
		k.reached = e.event.ID
	}
}

// Advance moves the cursor over what was written of a block: n bytes, with all frames that they touch. It
// gives what is still to be written of the last of them; of what a space of keyed events retains, which has no places but
// its end, all that is left.
func (s *Subscriber) Advance(k *Block, n int) (rest []byte) {
	if n < len(k.Bytes) && !k.whole {
		return s.advancePart(k, n)
	}
	if n == 0 && len(k.Bytes) > 0 {
		return nil
	}
	for i := range k.marks {
		s.handed(k.marks[i].id, k.marks[i].gap)
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
	i := sort.Search(len(k.marks), func(i int) bool { return k.marks[i].end >= n })
	if n == 0 {
		return nil
	}
	for _, m := range k.marks[:i+1] {
		s.handed(m.id, m.gap)
	}
	s.live = false // its place is found again by the position
	return k.Bytes[n:k.marks[i].end]
}

func (s *Subscriber) handed(id uint64, gap bool) {
	s.after, s.told = id, id
	if gap {
		s.broker.Stats.Gaps.Add(1)
		return
	}
	s.sent++
	s.broker.Stats.Deliveries.Add(1)
}

// Next is Peek, and Fetch where it is needed: for writers that may wait.
func (s *Subscriber) Next(ctx context.Context, k *Block, limit int) (*Block, Progress, error) {
	next, progress := s.Peek(k, limit)
	if progress != Behind {
		return next, progress, nil
	}
	next, err := s.Fetch(ctx, limit)
	return next, More, err
}

// Position is the place up to which everything was handed out.
func (s *Subscriber) Position() uint64 { return s.after }

// AppendPing appends a ping. It carries the position reached, if that has moved since the client
// was last told one.
func (s *Subscriber) AppendPing(dst []byte, now time.Time) []byte {
	return sse.AppendPing(dst, s.TakePosition(), now)
}

// TakePosition is the position reached, if that has moved since the client was last told one, else 0.
func (s *Subscriber) TakePosition() uint64 {
	if s.after == s.told {
		return 0
	}
	s.told = s.after
	return s.after
}
