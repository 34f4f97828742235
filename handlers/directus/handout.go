package directus

import (
	"context"
	"slices"

	"sluice/broker"
	"sluice/store/share"
)

// Bounds of a round, in bytes and in changes.
const (
	batch           = 64 << 10
	maxBatchChanges = 256
)

// sendChanges sends the changes of all subscriptions, in the order of the changes. It works in rounds. A round goes up to the
// hub's position at its start: up to there, a subscription that the group does not name has nothing. more reports that
// another round follows. While the client is not authenticated, nothing is sent and nothing is lost.
func (c *conn) sendChanges(ctx context.Context) (more bool, err error) {
	ctx = c.charged(ctx)
	if c.who != nil && c.over() {
		return false, c.expire()
	}
	if c.who == nil {
		return false, nil
	}
	ctx = share.With(ctx, c.who.Scope)
	var k broker.Block
	c.lease.Subscriber.Peek(&k, batch) // of no channel: it is always at the head
	head := c.lease.Subscriber.Position()
	c.marked = c.group.Take(c.marked[:0])
	for _, sub := range c.marked {
		one := c.subs[sub]
		if one == nil {
			continue
		}
		if sub.Ending() != "" { // only a panic ends a subscription from outside
			return false, errFailed
		}
		c.wait(one)
	}
	clear(c.marked)
	for sent, bytes := 0, 0; ; sent++ {
		next, err := c.next(ctx)
		if err != nil || next == nil {
			return false, err
		}
		f, rest := cut(next.rest)
		if f.id > head || bytes > batch || sent > maxBatchChanges {
			return true, nil
		}
		text, err := next.message(ctx, c.h, f)
		if err != nil {
			return false, err
		}
		next.rest, next.delivered = rest, f.id
		if bytes += len(text); text == nil {
			continue
		}
		if err := c.push(text, next.uid); err != nil {
			return false, err
		}
	}
}

// freeMessage is the size in bytes up to which a subscription's message is not charged while it is written.
const freeMessage = 64 << 10

// push sends a subscription's message. A large one is charged until the client has read it.
func (c *conn) push(text []byte, uid string) error {
	if n := int64(len(text)); n > freeMessage {
		if c.account.Take(n) != nil {
			return errMissed
		}
		defer c.account.Give(n)
	}
	return c.send(appendUID(slices.Clone(text), uid))
}

// message returns the subscription's message for a frame, nil if there is none.
func (s *subscription) message(ctx context.Context, h *Handler, f frame) ([]byte, error) {
	if f.gap {
		return nil, errMissed
	}
	one, err := h.changes.find(ctx, f.id, s.channels)
	if err == nil && one == nil {
		err = errMissed
	}
	if err != nil {
		return nil, err
	}
	return s.messageOf(ctx, h.costlyQueries, f.id, one)
}

// wait notes that a subscription may have something.
func (c *conn) wait(one *subscription) {
	if !one.waiting {
		one.waiting = true
		c.waiting = append(c.waiting, one)
	}
}

// next returns the subscription with the oldest unsent change, nil if there is none. It removes those without one from the
// connection's waiting.
func (c *conn) next(ctx context.Context) (first *subscription, err error) {
	for i := 0; i < len(c.waiting); {
		one := c.waiting[i]
		some, err := one.fill(ctx)
		if err != nil {
			return nil, err
		}
		if !some {
			one.waiting = false
			c.waiting = slices.Delete(c.waiting, i, i+1)
			continue
		}
		if first == nil || one.oldest() < first.oldest() {
			first = one
		}
		i++
	}
	return first, nil
}

// oldest returns the id of the next change to send.
func (s *subscription) oldest() uint64 {
	f, _ := cut(s.rest)
	return f.id
}

// fill takes the next block once the last one was sent; false if there is none now.
func (s *subscription) fill(ctx context.Context) (bool, error) {
	for len(s.rest) == 0 {
		if s.block != nil {
			s.sub.Advance(s.block, len(s.block.Bytes))
			s.block = nil
		}
		k, progress, err := s.sub.Next(ctx, &s.own, maxBatchChanges*frameBytes)
		if err != nil {
			return false, err
		}
		if progress == broker.Idle {
			s.own = broker.Block{} // it would retain the memory of a burst
			return false, nil
		}
		s.block, s.rest = k, k.Bytes
	}
	return true, nil
}
