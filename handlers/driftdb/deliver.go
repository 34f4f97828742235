package driftdb

import (
	"slices"
	"time"

	"sluice/broker"
	"sluice/handlers/writers"
)

// This file delivers the pushes of a room to one connection, in the order of their numbers. It puts the answers to the
// client's gets between them.
//
// The answer to a get has the entries that the room retains at a position in the log. Pushes up to that position go before
// the answer, later ones after it. A push that the answer contains is not sent again. A push that was replaced before the
// answer was read is not in the answer. So it is sent, because a client that listened to the key before the get expects it.
//
// A client asks for its keys just after it has opened the connection. A push of a key must not come before the answer to the
// first get of that key. So at first the connection delays pushes of keys that the client has not asked for. It also delays
// everything after the first delayed push, to preserve the order:
//
//	               a relay or a key asked for, and nothing delayed
//	             +---------------------------------------------------+
//	             |                                                   v
//	push --> delaying (hold != nil)  --> delayed, in order -----> sent
//	             |                            |
//	             |                            +-- ask: sends from the front, up to the first key not asked for
//	             |                            +-- dropDelayed: drops the pushes that an answer replaces
//	             |                            +-- release: sends all, and ends the delay
//	             v
//	        not delaying (hold == nil) : sent at once, from then on
//
// Three things end the delay: delayTime passes, there are too many delayed pushes, or an answer must follow delayed pushes.
// A debug connection does not delay.

// Bounds of the delayed pushes. The delay ends when they exceed one.
const (
	maxDelayed      = 256
	maxDelayedBytes = 256 << 10
)

// batch is the most bytes that one step reads from the cursor.
const batch = 64 << 10

// hold is the delay of a connection.
type hold struct {
	until       time.Time
	asked       map[string]bool // keys that the client asked for
	delayed     []record        // pushes in order, with answers that follow them
	delayedSize int             // the bytes of delayed
}

// sendsAtOnce reports whether a push may be sent at once if no delayed push is before it.
func (h *hold) sendsAtOnce(r *record) bool { return r.relay || h.asked[string(r.key)] }

// Serve says what there is to say next.
func (c *conn) Serve(t *writers.Turn, now time.Time) (writers.Say, error) {
	if len(c.ready) > 0 {
		frames := c.ready
		c.ready = nil
		return writers.Say{Frames: frames, Own: true, Next: broker.More, Owes: c.owes()}, nil
	}
	if c.hold == nil && c.get == nil && c.command.empty() && !c.debug {
		if said, ok := c.pass(t); ok {
			return said, nil
		}
	}
	c.out, c.retry = t.Out[:0], time.Time{}
	if c.hold != nil && !now.Before(c.hold.until) {
		c.release()
	}
	next, err := c.step(t, now)
	said := writers.Say{Frames: c.out, Next: next, Owes: c.owes()}
	t.Out, c.out = c.out, nil
	return said, err
}

// owes reports whether the answer to a message was not said yet.
func (c *conn) owes() bool { return c.get != nil || !c.command.empty() || len(c.ready) > 0 }

// pass says a block as it is, which is all that there is to do most of the time. It returns false if the block needs more.
func (c *conn) pass(t *writers.Turn) (writers.Say, bool) {
	k, progress := c.next(t)
	if progress != broker.More {
		return writers.Say{Next: progress}, true
	}
	f := framesOf(t, k)
	if f.stored {
		return writers.Say{}, false
	}
	c.last = max(c.last, f.last)
	c.sub.Advance(k, len(k.Bytes))
	c.fetched = nil
	if c.sub.AtHead() {
		progress = broker.Idle
	}
	return writers.Say{Frames: f.bytes, Next: progress}, true
}

// next returns the next block, which was fetched or is in memory.
func (c *conn) next(t *writers.Turn) (*broker.Block, broker.Progress) {
	if c.fetched != nil {
		return c.fetched, broker.More
	}
	return c.sub.Peek(&t.Block, batch)
}

// step sends the next block, and then what a message has asked for.
func (c *conn) step(t *writers.Turn, now time.Time) (broker.Progress, error) {
	if c.debug && !c.begun {
		return broker.Behind, nil
	}
	if c.command.get != nil {
		c.get, c.command = &answer{message: c.command.get}, command{}
		if c.get.message.live {
			c.ask(c.get.message.key)
			c.get = nil
			return broker.More, nil
		}
	}
	if c.get != nil && !c.get.read {
		return broker.Behind, nil
	}
	k, progress := c.next(t)
	switch {
	case progress == broker.Behind, progress == broker.More && c.debug:
		return broker.Behind, nil
	case progress == broker.More:
		c.deliverBlock(k.Bytes)
		c.sub.Advance(k, len(k.Bytes))
		if c.fetched = nil; c.get == nil || !c.get.outdated && c.sub.Position() < c.get.position {
			return broker.More, nil
		}
	}
	switch {
	case c.get != nil && c.get.outdated:
		c.get.again()
		return broker.Behind, nil
	case c.sub.Position() < max(c.command.after, c.get.upto()):
		c.retry = now.Add(time.Millisecond) // the broker gets the push in a moment: settled pushes go to it at once
		return broker.Idle, nil
	case c.get != nil:
		c.finishGet()
		return broker.More, nil
	case c.command.frame != nil:
		return broker.Idle, c.do()
	}
	return broker.Idle, nil
}

// do says the frame of a command.
func (c *conn) do() error {
	one := c.command
	c.command = command{}
	if one.after != 0 && c.hold != nil && len(c.hold.delayed) > 0 {
		c.delay(record{relay: true, frame: one.frame}) // its push may be delayed, and must go first
		return nil
	}
	c.out = append(c.out, one.frame...)
	if one.end {
		return errDropped
	}
	return nil
}

// deliverBlock sends the pushes of a block. With an answer to a get, it leaves out pushes that the answer contains, and puts
// pushes after the answer's position into c.late. A record with the flag stored was read from the store, for this connection or
// another with the same view. It is an entry that the room retained at that time, and can stand for several pushes.
func (c *conn) deliverBlock(b []byte) {
	last, a := c.last, c.get
	for len(b) > 0 {
		var r record
		r, b = cut(b)
		switch {
		case r.stored && !c.debug && r.seq <= last:
			continue // a compacted entry, whose parts were already sent
		case a == nil:
		case r.stored:
			a.outdated = true
			if string(r.key) == a.message.key && r.seq > a.message.seq {
				continue // the answer will have it
			}
		case r.id > a.position:
			c.late = append(c.late, r.clone())
			continue
		case a.has(&r):
			continue
		}
		c.deliver(&r)
	}
}

// deliver sends a push, or delays it.
func (c *conn) deliver(r *record) {
	c.last = max(c.last, r.seq)
	if c.hold == nil || len(c.hold.delayed) == 0 && c.hold.sendsAtOnce(r) {
		c.out = append(c.out, r.frame...)
		return
	}
	c.delay(r.clone())
}

func (c *conn) delay(r record) {
	h := c.hold
	h.delayed = append(h.delayed, r)
	if h.delayedSize += len(r.frame); len(h.delayed) > maxDelayed || h.delayedSize > maxDelayedBytes {
		c.release()
	}
}

// dropDelayed drops the delayed pushes that an answer replaces: those of its key. It sends all delayed pushes instead if some
// of that key must go before the answer. There are two such cases: the client asked for the key before, or its get says that
// it already has such a push, so that the answer leaves it out.
func (c *conn) dropDelayed(m *message) {
	h := c.hold
	if h == nil {
		return
	}
	mine := func(r record) bool { return string(r.key) == m.key && !r.relay }
	known := func(r record) bool { return mine(r) && (h.asked[m.key] || r.seq <= m.seq) }
	if slices.ContainsFunc(h.delayed, known) {
		c.release()
		return
	}
	h.delayed = slices.DeleteFunc(h.delayed, mine)
	h.delayedSize = 0
	for _, r := range h.delayed {
		h.delayedSize += len(r.frame)
	}
}

// ask notes that the client has asked for a key, and sends the delayed pushes that no longer wait for another key.
func (c *conn) ask(key string) {
	h := c.hold
	if h == nil {
		return
	}
	h.asked[key] = true
	for len(h.delayed) > 0 && h.sendsAtOnce(&h.delayed[0]) {
		c.out = append(c.out, h.delayed[0].frame...)
		h.delayedSize -= len(h.delayed[0].frame)
		h.delayed = h.delayed[1:]
	}
}

// release sends all delayed pushes, and ends the delay.
func (c *conn) release() {
	h := c.hold
	c.hold = nil
	for _, r := range h.delayed {
		c.out = append(c.out, r.frame...)
	}
}
