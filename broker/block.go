package broker

import (
	"time"

	"sluice/broker/sse"
	"sluice/store/eventlog"
)

// Block is a run of whole frames that a cursor hands out next. Cursors of one view that stand at the
// same place hand out the same block, so that it is made once for all of them.
type Block struct {
	Bytes []byte

	marks   []mark
	view    *view
	chunked bool
	live    bool   // made from the view's list, else from the ring or the log
	whole   bool   // only its end is a place to go on from
	from    uint64 // number in the list that it begins with, while live; else the position it begins after
	end     uint64 // number in the list that comes after it, while live
	reached uint64 // the position of who has handed out all of it
	fresh   uint64 // the newest event in it that was at the head
	edits   uint64 // of the view, when it was begun
}

// mark is one frame of a block.
type mark struct {
	end int    // where it ends in Bytes
	id  uint64 // what the client is told by it
	gap bool   // it is no event
}

// Fresh is the id of the block's newest event, if that was at the head when the block was made, else 0. By the
// log's clock a writer can tell how long the way took.
func (k *Block) Fresh() uint64 { return k.fresh }

// Upto says how many of the block's bytes, and of its events, go no further than a position, and are no more
// events than most.
func (k *Block) Upto(last uint64, most int) (n, events int) {
	for _, m := range k.marks {
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

// Clear empties the block, so that it holds on to nothing.
func (k *Block) Clear() { k.Bytes, k.marks, k.view = k.Bytes[:0], k.marks[:0], nil }

func (k *Block) reset(s *Subscriber) {
	k.Bytes, k.marks = k.Bytes[:0], k.marks[:0]
	k.view, k.chunked, k.live, k.whole = s.members.view, s.chunked, s.live, false
	k.from, k.end, k.reached, k.fresh, k.edits = s.after, 0, s.after, 0, k.view.edits.Load()
	if s.live {
		k.from = s.pos
	}
}

// serves says whether the block is what the subscriber hands out next. One that has read the log can be
// ahead of the hub by the group that is on its way; it gets a block of its own.
func (k *Block) serves(s *Subscriber) bool {
	if len(k.marks) == 0 || k.view != s.members.view || k.chunked != s.chunked || k.live != s.live || k.edits != k.view.edits.Load() {
		return false
	}
	if k.live {
		return k.from == s.pos && s.after < k.marks[0].id
	}
	return k.from == s.after
}

// add appends the frame of an entry.
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
	k.marks = append(k.marks, mark{end: len(k.Bytes), id: e.event.ID})
	k.fresh = e.event.ID
}

// addRead appends the frame of an event out of the log.
func (k *Block) addRead(e *eventlog.Event, ts int64, retry time.Duration) {
	at := k.begin()
	begun := len(k.Bytes)
	if k.Bytes = k.view.form.append(k.Bytes, e, ts, retry); len(k.Bytes) == begun {
		k.Bytes, k.reached = k.Bytes[:at], e.ID
		return
	}
	k.finish(at, mark{id: e.ID})
}

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
	k.finish(at, mark{id: id, gap: true})
}

func (k *Block) begin() (at int) {
	at = len(k.Bytes)
	if k.chunked {
		k.Bytes = sse.BeginChunk(k.Bytes)
	}
	return at
}

func (k *Block) finish(at int, m mark) {
	if k.chunked {
		k.Bytes = sse.EndChunk(k.Bytes, at)
	}
	m.end = len(k.Bytes)
	k.marks = append(k.marks, m)
	k.reached = max(k.reached, m.id)
}

// Blocks read from the log that are kept for others who miss the same, as after a restart all clients
// do: so many, if they hold so many frames at least. They take 1 MiB, or what the largest events take.
const (
	keptBlocks = 16
	keptLeast  = 8
)

// kept holds the blocks read last; Broker.mu.
type kept struct {
	blocks [keptBlocks]*Block
	next   int
}

func (c *kept) find(s *Subscriber) *Block {
	for _, k := range c.blocks {
		if k != nil && k.serves(s) {
			return k
		}
	}
	return nil
}

func (c *kept) add(k *Block) {
	c.blocks[c.next] = k
	c.next = (c.next + 1) % keptBlocks
}
