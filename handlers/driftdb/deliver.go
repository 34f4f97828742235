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

// How a connection gets the pushes of its room, in the order of their numbers, and how they meet the answers to its gets.
//
// The answer to a get is what is retained as of a place in the log. Pushes up to there come before it, those behind it
// after it. A push that is in the answer is not handed out beside it, but one that is in there no more, as it was
// replaced meanwhile, is: whoever has listened to the key before hears of it.
//
// A client asks for its keys just after it has opened the connection. Until then a push could come before the answer
// that should precede it, so for a moment pushes of keys that were not asked for are held, and what comes behind them.

// What is held at most; more ends the holding.
const (
	delayedMost  = 256
	delayedBytes = 256 << 10
)

// batch bounds a step of handing out.
const batch = 64 << 10

// answer is what a get is answered with.
type answer struct {
	key      string
	after    uint64 // a number: what is behind it was asked for
	entries  []eventlog.Event
	position uint64 // the place in the log that it is as of
	old      bool   // more than it knows of was handed out
}

// has says whether a push is in the answer, or is a part of what is in there.
func (a *answer) has(r *record) bool {
	if r.relay || r.key != a.key {
		return false
	}
	_, found := slices.BinarySearchFunc(a.entries, r.seq, func(e eventlog.Event, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	return found
}

// get answers with what a key retains.
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
	a.entries = nil // the client may take its time
	if err := c.send(text); err != nil {
		return err
	}
	if err := c.ask(m.key); err != nil {
		return err
	}
	late := c.late
	c.late = nil
	for _, r := range late {
		if err := c.hand(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// answer reads what a get asks for, and hands out what comes before it. A connection that lags reads on in the store, and
// is then ahead of what was read here: it is read again. Another round would need the hub to drop all it has meanwhile.
func (c *conn) answer(ctx context.Context, m *message) (a *answer, err error) {
	for {
		a = &answer{key: m.key, after: m.seq}
		a.entries, a.position, err = c.h.retained(ctx, c.id, &m.key, &c.load)
		if err != nil {
			return nil, err
		}
		a.entries = slices.DeleteFunc(a.entries, func(e eventlog.Event) bool { return e.Seq <= m.seq })
		if err := c.drain(ctx, a.position, a); err != nil || !a.old {
			return a, err
		}
	}
}

// blocks are lent to a connection only while it hands something out.
var blocks = sync.Pool{New: func() any { return new(broker.Block) }}

// drain hands out all there is, and at least what there is up to a position. For a get's answer it leaves out what is in
// there, and keeps what is behind it for after it.
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
			// The hub is about to have it: what is settled goes there at once.
			select {
			case <-c.sub.Wake():
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		if err := c.handBlock(ctx, k.Bytes, a); err != nil {
			return err
		}
		c.sub.Advance(k, len(k.Bytes))
		if a != nil && (a.old || c.sub.Position() >= upto) {
			return nil // the rest comes after the answer
		}
	}
}

// handBlock hands out a block. What was read from the store, now or for another connection, is what was retained then.
func (c *conn) handBlock(ctx context.Context, b []byte, a *answer) error {
	last := c.last
	for len(b) > 0 {
		var r record
		r, b = cut(b)
		switch {
		case r.stored && !c.debug && r.seq <= last:
			continue // a compact: what it is made of was handed out
		case a == nil:
		case r.stored:
			a.old = true
			if r.key == a.key && r.seq > a.after {
				continue // the answer will have it
			}
		case r.id > a.position:
			r.text = bytes.Clone(r.text)
			c.late = append(c.late, r)
			continue
		case a.has(&r):
			continue
		}
		if err := c.hand(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// hand hands out a push, now or when the time of holding is over.
func (c *conn) hand(ctx context.Context, r record) error {
	if c.debug && !r.relay {
		return c.initOne(ctx, r.key)
	}
	c.last = max(c.last, r.seq)
	if c.asked == nil || len(c.delayed) == 0 && c.prompt(&r) {
		return c.send(r.text)
	}
	return c.delay(r)
}

// prompt says whether a push needs not be held for itself.
func (c *conn) prompt(r *record) bool { return r.relay || c.asked[r.key] }

func (c *conn) delay(r record) error {
	r.text = bytes.Clone(r.text)
	c.delayed = append(c.delayed, r)
	if c.heavy += len(r.text); len(c.delayed) > delayedMost || c.heavy > delayedBytes {
		return c.release()
	}
	return nil
}

// dropDelayed takes out of what is held the pushes that an answer stands for. If others of its key are held, which the client
// has listened for, or has said to know, they come before the answer, and the holding ends.
func (c *conn) dropDelayed(a *answer) error {
	mine := func(r record) bool { return r.key == a.key && !r.relay }
	if c.asked[a.key] && slices.ContainsFunc(c.delayed, mine) {
		return c.release()
	}
	if slices.ContainsFunc(c.delayed, func(r record) bool { return mine(r) && r.seq <= a.after }) {
		return c.release()
	}
	c.delayed = slices.DeleteFunc(c.delayed, mine)
	c.heavy = 0
	for _, r := range c.delayed {
		c.heavy += len(r.text)
	}
	return nil
}

// ask takes it that a key was asked for: what is held for it is handed out.
func (c *conn) ask(key string) error {
	if c.asked == nil {
		return nil
	}
	c.asked[key] = true
	for len(c.delayed) > 0 && c.prompt(&c.delayed[0]) {
		if err := c.send(c.delayed[0].text); err != nil {
			return err
		}
		c.heavy -= len(c.delayed[0].text)
		c.delayed = c.delayed[1:]
	}
	return nil
}

// release hands out what was held, and ends the holding.
func (c *conn) release() error {
	c.asked = nil
	delayed := c.delayed
	c.delayed, c.heavy = nil, 0
	for _, r := range delayed {
		if err := c.send(r.text); err != nil {
			return err
		}
	}
	return nil
}
