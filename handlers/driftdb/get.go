package driftdb

import (
	"cmp"
	"context"
	"slices"

	"sluice/broker"
	"sluice/store/eventlog"
	"sluice/store/share"
)

// This file reads the store for a connection, in goroutines that may wait. The connection sends nothing meanwhile.

// answer is the answer to a get.
type answer struct {
	message  *message
	read     bool
	entries  []eventlog.Event
	position uint64 // in the log, at which the entries were retained
	outdated bool   // pushes after position were sent, so the answer must be read again
}

// again has the entries read anew. A connection that lags reads its pushes from the store, which can take it past the answer's
// position. A third round is rare: the broker would have to drop all of its pushes in the meantime.
func (a *answer) again() { *a = answer{message: a.message} }

// upto returns the position up to which pushes go before the answer.
func (a *answer) upto() uint64 {
	if a == nil {
		return 0
	}
	return a.position
}

// has reports whether the answer contains a push, as an entry or as a part of a compacted entry.
func (a *answer) has(r *record) bool {
	if r.relay || string(r.key) != a.message.key {
		return false
	}
	_, found := slices.BinarySearchFunc(a.entries, r.seq, func(e eventlog.Event, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	return found
}

// finishGet makes the answer to a get, and what goes after it.
func (c *conn) finishGet() {
	a := c.get
	c.dropDelayed(a.message)
	before := c.out
	if n := len(a.entries); n > 0 {
		c.last = max(c.last, a.entries[n-1].Seq)
	}
	c.out = c.mode.initFrame(a.message.key, a.entries)
	c.get = nil // its entries take memory, and the client may read slowly
	c.ask(a.message.key)
	late := c.late
	c.late = nil
	for i := range late {
		c.deliver(&late[i])
	}
	c.ready, c.out = c.out, before
}

// Work reads what comes next: all keys of a debug connection, the entries for a get, or the pushes of a connection that lags.
func (c *conn) Work(ctx context.Context) (err error) {
	if c.load == nil {
		c.load = &load{of: c.h.unread, cut: share.ConnOf(ctx).Cut} // others read it, while it has a share
	}
	ctx = c.charged(ctx)
	switch {
	case c.debug && !c.begun:
		c.begun = true
		return c.initAll(ctx)
	case c.get != nil && !c.get.read:
		return c.readAnswer(ctx, c.get)
	}
	k, progress, err := c.sub.Next(ctx, &broker.Block{}, batch)
	if err != nil || progress != broker.More {
		return err
	}
	if !c.debug {
		c.fetched = k
		return nil
	}
	if c.get != nil {
		c.get.again() // what the block makes it send is newer than the answer
	}
	defer c.sub.Advance(k, len(k.Bytes))
	return c.debugBlock(ctx, k.Bytes)
}

// readAnswer reads the entries for a get.
func (c *conn) readAnswer(ctx context.Context, a *answer) (err error) {
	a.entries, a.position, err = c.h.retainedAfter(ctx, c.id, a.message, c.load)
	a.entries = slices.DeleteFunc(a.entries, func(e eventlog.Event) bool { return e.Seq <= a.message.seq })
	a.read = true
	return err
}

// initAll sends every key to a debug connection.
func (c *conn) initAll(ctx context.Context) error {
	entries, _, err := c.h.retained(ctx, c.id, nil, c.load)
	if err != nil {
		return err
	}
	byKey := map[string][]eventlog.Event{}
	var keys []string
	for _, e := range entries {
		if byKey[e.Key] == nil {
			keys = append(keys, e.Key)
		}
		byKey[e.Key] = append(byKey[e.Key], e)
	}
	for _, key := range keys {
		c.ready = append(c.ready, c.mode.initFrame(key, byKey[key])...)
	}
	return nil
}

// debugBlock sends the pushes of a block to a debug connection: relays, and for other pushes the whole key.
func (c *conn) debugBlock(ctx context.Context, b []byte) error {
	for len(b) > 0 {
		var r record
		r, b = cut(b)
		if r.relay {
			c.ready = append(c.ready, r.frame...)
			continue
		}
		if err := c.initOne(ctx, string(r.key)); err != nil {
			return err
		}
	}
	return nil
}

// initOne sends a changed key to a debug connection.
func (c *conn) initOne(ctx context.Context, key string) error {
	if !c.load.charged() { // a share that it has already is for the answer that follows
		defer c.load.done()
	}
	entries, _, err := c.h.retained(ctx, c.id, &key, c.load)
	if err != nil {
		return err
	}
	c.ready = append(c.ready, c.mode.initFrame(key, entries)...)
	return nil
}
