package directus

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/coder/websocket"

	"sluice/broker"
	"sluice/handlers/writers"
	"sluice/handlers/wsframe"
	"sluice/store/share"
)

// Bounds of a round, in bytes and in changes.
const (
	maxBatch        = 64 << 10
	maxBatchChanges = 256
)

// errWaits is the outcome of what would have to wait, for the disk or for others.
var errWaits = errors.New("it would have to wait")

// atOnce is the context of what must not wait, and fails with errWaits instead.
var atOnce = context.WithValue(context.Background(), atOnceKey{}, true)

type atOnceKey struct{}

// Serve says what is to be sent: what other methods have left, or the next changes.
func (c *conn) Serve(t *writers.Turn, _ time.Time) (writers.Say, error) {
	c.position = t.Position
	if len(c.out) == 0 && c.who != nil && c.over() { // an answer to an identity that has ended is sent first, and soon or not at all
		c.expire()
	}
	if len(c.out) > 0 {
		frames := c.out
		c.out = nil
		return writers.Say{Frames: frames, Own: true, Next: broker.More}, nil
	}
	switch {
	case c.failed:
		return writers.Say{}, errFailed
	case c.who == nil || len(c.waiting) == 0: // while the client is not authenticated, nothing is sent and nothing is lost
		return writers.Say{}, nil
	}
	if said, ok, err := c.pass(t); ok || err != nil {
		return said, err
	}
	more, err := c.sendChanges(atOnce)
	frames := c.out
	c.out = nil
	said := writers.Say{Frames: frames, Own: true, Next: broker.Idle}
	switch {
	case errors.Is(err, errWaits):
		said.Next, err = broker.Behind, nil
	case more:
		said.Next = broker.More
	}
	return said, err
}

// Woken notes that a subscription may have something, or has ended. Only a panic ends one from outside.
func (c *conn) Woken(sub *broker.Subscriber) {
	if sub == nil {
		for _, one := range c.subs {
			c.wakeOne(one)
		}
	} else if one := c.of(sub); one != nil {
		c.wakeOne(one)
	}
}

func (c *conn) wakeOne(one *subscription) {
	c.failed = c.failed || one.sub.Ending() != ""
	c.wait(one)
}

// Work sends the next changes where that has to wait.
func (c *conn) Work(ctx context.Context) error {
	if c.who == nil {
		return nil
	}
	_, err := c.sendChanges(share.With(ctx, c.who.Scope))
	return err
}

// pass sends the changes of the only subscription that has any, from a block that connections share. It returns false if there
// is more to do than that.
func (c *conn) pass(t *writers.Turn) (said writers.Say, ok bool, err error) {
	one := c.waiting[0]
	if len(c.waiting) > 1 || one.batch != nil {
		return said, false, nil
	}
	k, progress := one.sub.Peek(&t.Block, maxBatchChanges*frameBytes)
	switch progress {
	case broker.Idle:
		one.waiting, c.waiting = false, c.waiting[:0]
		return said, true, nil
	case broker.Behind:
		return said, false, nil
	}
	made, last := madeIn(t), one.delivered
	if made.is(k, one, c.position) {
		return c.passed(one, k, made.frames, made.last), true, nil
	}
	*made = madeFrames{}
	out := t.Out[:0]
	for b := k.Bytes; len(b) > 0; {
		var f frame
		f, b = cut(b)
		if f.id > c.position || len(out) > maxBatch {
			return said, false, nil
		}
		text, err := one.message(atOnce, c.h, f)
		if len(text) > freeMessage || errors.Is(err, errWaits) {
			return said, false, nil
		}
		if err != nil {
			return said, false, err
		}
		if last = f.id; text != nil {
			out = appendMessage(out, text, one.uid)
		}
	}
	t.Out = out
	*made = madeFrames{k, k.Made(), one.feed, one.uid, out, last}
	return c.passed(one, k, out, last), true, nil
}

// passed notes that the frames of a block are sent, up to the change last.
func (c *conn) passed(one *subscription, k *broker.Block, frames []byte, last uint64) writers.Say {
	one.delivered = last
	one.sub.Advance(k, len(k.Bytes))
	if !one.sub.AtHead() {
		return writers.Say{Frames: frames, Next: broker.More}
	}
	one.waiting, c.waiting = false, c.waiting[:0]
	return writers.Say{Frames: frames, Next: broker.Idle}
}

// madeFrames are what was made last of a block. Most sockets have the same query and uid, and send the same.
type madeFrames struct {
	block  *broker.Block
	number uint64 // Block.Made
	feed   *feed
	uid    string
	frames []byte // in Turn.Out
	last   uint64 // the newest change
}

// madeIn returns what was made last in a Turn.
func madeIn(t *writers.Turn) *madeFrames {
	m, ok := t.Memo.(*madeFrames)
	if !ok {
		m = &madeFrames{}
		t.Memo = m
	}
	return m
}

// is reports whether the frames are those of a subscription's block, and not after the position.
func (m *madeFrames) is(k *broker.Block, one *subscription, position uint64) bool {
	return m.block == k && m.number == k.Made() && m.feed == one.feed && m.uid == one.uid && m.last <= position && len(k.Bytes) > 0
}

// appendMessage appends the frame of a subscription's message.
func appendMessage(dst, text []byte, uid string) []byte {
	n := len(text) + 1 // as appendUID ends it
	if uid != "" {
		n += len(`,"uid":`) + len(uid)
	}
	dst = wsframe.AppendHead(dst, websocket.MessageText, n)
	return appendUID(append(dst, text...), uid)
}

// sendChanges sends the changes of all subscriptions, in the order of the changes. It works in rounds. A round goes up to the
// position of the Turn: up to there, a subscription that is not among the waiting has nothing. more reports that another round
// follows. It does not wait if the context is atOnce.
func (c *conn) sendChanges(ctx context.Context) (more bool, err error) {
	for sent, bytes := 0, 0; ; sent++ {
		next, err := c.next(ctx)
		if err != nil || next == nil {
			return false, err
		}
		f, rest := cut(next.batch.rest)
		if f.id > c.position || bytes > maxBatch || sent > maxBatchChanges {
			return true, nil
		}
		text, err := next.message(ctx, c.h, f)
		if err != nil {
			return false, err
		}
		next.batch.rest, next.delivered = rest, f.id
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
		c.charged += n
	}
	c.out = appendMessage(c.out, text, uid)
	return nil
}

// message returns the subscription's message for a frame, nil if there is none.
func (s *subscription) message(ctx context.Context, h *Handler, f frame) ([]byte, error) {
	if f.gap {
		return nil, errMissed
	}
	one := h.changes.kept(f.id)
	if one == nil {
		var err error
		if one, err = h.changes.find(ctx, f.id, s.sub.Channels()); err == nil && one == nil {
			err = errMissed
		}
		if err != nil {
			return nil, err
		}
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
	f, _ := cut(s.batch.rest)
	return f.id
}

// batch is a block of a subscription. It goes once there is none, since it would retain the memory of a burst.
type batch struct {
	own   broker.Block
	block *broker.Block // being sent
	rest  []byte        // the unsent part of block
}

// fill takes the next block once the last one was sent; false if there is none now.
func (s *subscription) fill(ctx context.Context) (bool, error) {
	if s.batch == nil {
		s.batch = &batch{}
	}
	for b := s.batch; len(b.rest) == 0; {
		if b.block != nil {
			s.sub.Advance(b.block, len(b.block.Bytes))
			b.block = nil
		}
		k, progress := s.sub.Peek(&b.own, maxBatchChanges*frameBytes)
		if progress == broker.Behind {
			if ctx == atOnce {
				return false, errWaits
			}
			var err error
			if k, err = s.sub.Fetch(ctx, maxBatchChanges*frameBytes); err != nil {
				return false, err
			}
		}
		if progress == broker.Idle {
			s.batch = nil
			return false, nil
		}
		b.block, b.rest = k, k.Bytes
	}
	return true, nil
}
