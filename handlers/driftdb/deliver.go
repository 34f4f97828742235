package driftdb

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"sluice/broker"
	"sluice/store/eventlog"
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
//	push --> delaying (asked != nil) --> delayed, in order -----> sent
//	             |                            |
//	             |                            +-- ask: sends from the front, up to the first key not asked for
//	             |                            +-- dropDelayed: drops the pushes that an answer replaces
//	             |                            +-- release: sends all, and ends the delay
//	             v
//	        not delaying (asked == nil): sent at once, from then on
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

// answer is the answer to a get.
type answer struct {
	key      string
	after    uint64 // the client already has everything up to this number
	entries  []eventlog.Event
	position uint64 // in the log, at which the entries were retained
	outdated bool   // pushes after position were sent, so the answer must be read again
}

// has reports whether the answer contains a push, as an entry or as a part of a compacted entry.
func (a *answer) has(r *record) bool {
	if r.relay || r.key != a.key {
		return false
	}
	_, found := slices.BinarySearchFunc(a.entries, r.seq, func(e eventlog.Event, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	return found
}

// get answers with the entries that a key retains.
func (c *conn) get(ctx context.Context, m *message) error {
	if m.live {
		return c.ask(m.key)
	}
	defer c.load.done()
	a, err := c.answer(ctx, m)
	if err != nil {
		return err
	}
	if err := c.dropDelayed(a); err != nil {
		return err
	}
	if n := len(a.entries); n > 0 {
		c.last = max(c.last, a.entries[n-1].Seq)
	}
	text := c.mode.init(m.key, a.entries)
	a.entries = nil // free the memory now: the client may read slowly
	if err := c.send(text); err != nil {
		return err
	}
	if err := c.ask(m.key); err != nil {
		return err
	}
	late := c.afterAnswer
	c.afterAnswer = nil
	for _, r := range late {
		if err := c.deliver(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// answer reads the entries for a get, and sends the pushes that go before them. A connection that lags reads its pushes from
// the store, which can take it past the answer's position. Then answer reads the entries again. A third round is rare: the
// hub would have to drop all of its pushes in the meantime.
func (c *conn) answer(ctx context.Context, m *message) (a *answer, err error) {
	for {
		a = &answer{key: m.key, after: m.seq}
		a.entries, a.position, err = c.h.retainedAfter(ctx, c.id, m, &c.load)
		if err != nil {
			return nil, err
		}
		a.entries = slices.DeleteFunc(a.entries, func(e eventlog.Event) bool { return e.Seq <= m.seq })
		if err := c.drain(ctx, a.position, a); err != nil || !a.outdated {
			return a, err
		}
	}
}

// blocks lends a block to a connection only while it sends something.
var blocks = sync.Pool{New: func() any { return new(broker.Block) }}

// drain sends all available pushes, and waits for those up to the position upto. With an answer to a get, it leaves out
// pushes that the answer contains, and puts pushes after the answer's position into c.late.
func (c *conn) drain(ctx context.Context, upto uint64, a *answer) error {
	own := blocks.Get().(*broker.Block)
	defer func() {
		own.Clear()
		blocks.Put(own)
	}()
	for {
		k, progress, err := c.sub.Next(ctx, own, batch)
		if err != nil {
			return err
		}
		if progress == broker.Idle {
			if c.sub.Position() >= upto {
				return nil
			}
			// The hub gets the push in a moment: settled pushes go to it at once.
			select {
			case <-c.sub.Wake():
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		if err := c.deliverBlock(ctx, k.Bytes, a); err != nil {
			return err
		}
		c.sub.Advance(k, len(k.Bytes))
		if a != nil && (a.outdated || c.sub.Position() >= upto) {
			return nil // the other pushes go after the answer
		}
	}
}

// deliverBlock sends the pushes of a block. A record with the flag stored was read from the store, for this connection or
// another with the same view. It is an entry that the room retained at that time, and can stand for several pushes.
func (c *conn) deliverBlock(ctx context.Context, b []byte, a *answer) error {
	last := c.last
	for len(b) > 0 {
		var r record
		r, b = cut(b)
		switch {
		case r.stored && !c.debug && r.seq <= last:
			continue // a compacted entry, whose parts were already sent
		case a == nil:
		case r.stored:
			a.outdated = true
			if r.key == a.key && r.seq > a.after {
				continue // the answer will have it
			}
		case r.id > a.position:
			r.text = bytes.Clone(r.text)
			c.afterAnswer = append(c.afterAnswer, r)
			continue
		case a.has(&r):
			continue
		}
		if err := c.deliver(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// deliver sends a push, or delays it.
func (c *conn) deliver(ctx context.Context, r record) error {
	if c.debug && !r.relay {
		return c.initOne(ctx, r.key)
	}
	c.last = max(c.last, r.seq)
	if c.asked == nil || len(c.delayed) == 0 && c.sendsAtOnce(&r) {
		return c.send(r.text)
	}
	return c.delay(r)
}

// sendsAtOnce reports whether a push may be sent at once if no delayed push is before it.
func (c *conn) sendsAtOnce(r *record) bool { return r.relay || c.asked[r.key] }

func (c *conn) delay(r record) error {
	r.text = bytes.Clone(r.text)
	c.delayed = append(c.delayed, r)
	if c.delayedSize += len(r.text); len(c.delayed) > maxDelayed || c.delayedSize > maxDelayedBytes {
		return c.release()
	}
	return nil
}

// dropDelayed drops the delayed pushes that an answer replaces: those of its key. It sends all delayed pushes instead if some
// of that key must go before the answer. There are two such cases: the client asked for the key before, or its get says that
// it already has such a push, so that the answer leaves it out.
func (c *conn) dropDelayed(a *answer) error {
	mine := func(r record) bool { return r.key == a.key && !r.relay }
	if c.asked[a.key] && slices.ContainsFunc(c.delayed, mine) {
		return c.release()
	}
	if slices.ContainsFunc(c.delayed, func(r record) bool { return mine(r) && r.seq <= a.after }) {
		return c.release()
	}
	c.delayed = slices.DeleteFunc(c.delayed, mine)
	c.delayedSize = 0
	for _, r := range c.delayed {
		c.delayedSize += len(r.text)
	}
	return nil
}

// ask notes that the client has asked for a key, and sends the delayed pushes that no longer wait for another key.
func (c *conn) ask(key string) error {
	if c.asked == nil {
		return nil
	}
	c.asked[key] = true
	for len(c.delayed) > 0 && c.sendsAtOnce(&c.delayed[0]) {
		if err := c.send(c.delayed[0].text); err != nil {
			return err
		}
		c.delayedSize -= len(c.delayed[0].text)
		c.delayed = c.delayed[1:]
	}
	return nil
}

// release sends all delayed pushes, and ends the delay.
func (c *conn) release() error {
	c.asked = nil
	delayed := c.delayed
	c.delayed, c.delayedSize = nil, 0
	for _, r := range delayed {
		if err := c.send(r.text); err != nil {
			return err
		}
	}
	return nil
}
