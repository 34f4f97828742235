package broker

import (
	"math"
	"slices"
	"time"

	"sluice/broker/sse"
	"sluice/store/eventlog"
)

// Block is a run of whole frames that a cursor delivers next. It is made once for all cursors of a view that have the same
// position.
type Block struct {
	Bytes []byte

	frameEnds []frameEnd
	view      *view
	chunked   bool
	live      bool   // made from the view's list; otherwise from the ring or the log
	whole     bool   // the frames are not in the order of ids, so the cursor can move only over all of them
	from      uint64 // if live: the number of the first item; otherwise the position before the block
	end       uint64 // if live: the number of the item after the block
	reached   uint64 // the position after the block
	fresh     uint64 // the newest event in it that was at the head
	edits     uint64 // of the view, when the block was begun
	made      uint64 // how often the block was begun

	except []eventlog.Connection // may not get the block, since it has an event that leaves them out
}

// private is the from of a block that lacks an event for one connection: it serves nobody else.
const private = math.MaxUint64

// frameEnd is one frame of a block.
type frameEnd struct {
	end int    // where the frame ends in Bytes
	id  uint64 // the id in the frame
	gap bool   // it is a gap, not an event
}

// Fresh returns the id of the block's newest event if that was at the head when the block was made, and otherwise 0. With
// the log's clock, a writer can compute how long the delivery took.
func (k *Block) Fresh() uint64 { return k.fresh }

// Made returns a number that changes whenever the block is filled anew, for what is derived from its bytes.
func (k *Block) Made() uint64 { return k.made }

// Upto returns the number of bytes and of events at the beginning of the block that are not after the position last, and
// are at most most events.
func (k *Block) Upto(last uint64, most int) (n, events int) {
	for _, m := range k.frameEnds {
		if !m.gap && (m.id > last || events == most) {
			break
		}
		n = m.end
		if !m.gap {
			events++
		}
	}
	return n, events
}

// Clear empties the block, so that its view can be freed.
func (k *Block) Clear() {
	k.Bytes, k.frameEnds, k.view, k.except = k.Bytes[:0], k.frameEnds[:0], nil, k.except[:0]
}

// reset empties the block and begins it at the position of s.
func (k *Block) reset(s *Subscriber) {
	k.Bytes, k.frameEnds, k.except = k.Bytes[:0], k.frameEnds[:0], k.except[:0]
	k.view, k.chunked, k.live, k.whole = s.members.view, s.chunked, s.live, false
	k.from, k.end, k.reached, k.fresh, k.edits = s.after, 0, s.after, 0, k.view.edits.Load()
	k.made++
	if s.live {
		k.from = s.pos
	}
}

// serves reports whether a subscriber may deliver the block next. A subscriber that has read the log can be ahead of
// deliver by one group of events. It must not get those twice, so its position must be before the block's first event.
func (k *Block) serves(s *Subscriber) bool {
	if len(k.frameEnds) == 0 || k.view != s.members.view || k.chunked != s.chunked || k.live != s.live || k.edits != k.view.edits.Load() {
		return false
	}
	if len(k.except) > 0 && slices.Contains(k.except, s.connection) {
		return false
	}
	if k.live {
		return k.from == s.pos && s.after < k.frameEnds[0].id
	}
	return k.from == s.after
}

// gives reports whether s, for which the block is made, gets an event that leaves out a connection. The block then serves
// only those who get the same of it.
func (k *Block) gives(s *Subscriber, except eventlog.Connection) bool {
	switch except {
	case eventlog.Connection{}:
		return true
	case s.connection:
		k.from = private
		return false
	}
	if n := len(k.except); n == 0 || k.except[n-1] != except {
		k.except = append(k.except, except)
	}
	return true
}

// add appends the frame of an entry of the ring.
func (k *Block) add(e *entry, retry time.Duration) {
	f := e.frame(k.view.form, retry)
	if f.Len() == 0 {
		return
	}
	if k.chunked {
		k.Bytes = append(k.Bytes, f.Chunk()...)
	} else {
		k.Bytes = append(k.Bytes, f.Bare()...)
	}
	k.frameEnds = append(k.frameEnds, frameEnd{end: len(k.Bytes), id: e.event.ID})
	k.fresh = e.event.ID
}

// addRead appends the frame of an event that was read from the log.
func (k *Block) addRead(e *eventlog.Event, ts int64, retry time.Duration) {
	at := k.begin()
	begun := len(k.Bytes)
	if k.Bytes = k.view.form.append(k.Bytes, e, ts, retry); len(k.Bytes) == begun {
		k.Bytes, k.reached = k.Bytes[:at], e.ID
		return
	}
	k.finish(at, frameEnd{id: e.ID})
}

// addGap appends a gap: the client goes on after id, and has everything up to after.
func (k *Block) addGap(id uint64, after string, oldest uint64) {
	at := k.begin()
	switch {
	case k.view.form.encoder != nil:
		k.Bytes = k.view.form.encoder.AppendGap(k.Bytes, id, after)
	case k.view.form.frames == sse.FramesLines:
		k.Bytes = sse.AppendGapLine(k.Bytes, string(eventlog.GapExpired), after, oldest)
	default:
		k.Bytes = sse.AppendGap(k.Bytes, id, string(eventlog.GapExpired), after, oldest)
	}
	k.finish(at, frameEnd{id: id, gap: true})
}

// begin and finish enclose the appending of one frame. begin returns where the frame begins.
func (k *Block) begin() (at int) {
	at = len(k.Bytes)
	if k.chunked {
		k.Bytes = sse.BeginChunk(k.Bytes)
	}
	return at
}

func (k *Block) finish(at int, m frameEnd) {
	if k.chunked {
		k.Bytes = sse.EndChunk(k.Bytes, at)
	}
	m.end = len(k.Bytes)
	k.frameEnds = append(k.frameEnds, m)
	k.reached = max(k.reached, m.id)
}

// Blocks that were read from the log are remembered for other subscribers that miss the same events, as all clients do
// after a restart. They take about 1 MiB, or more with very large events.
const (
	recentBlocks = 16 // how many
	minRecent    = 8  // the fewest frames that are worth it
)

// recent has the blocks that were last read from the log. Broker.mu guards it.
type recent struct {
	blocks [recentBlocks]*Block
	next   int
}

func (c *recent) find(s *Subscriber) *Block {
	for _, k := range c.blocks {
		if k != nil && k.serves(s) {
			return k
		}
	}
	return nil
}

func (c *recent) add(k *Block) {
	c.blocks[c.next] = k
	c.next = (c.next + 1) % recentBlocks
}
