package directus

import (
	"context"
	"encoding/binary"
	"sync"

	"sluice/channel"
	"sluice/store/documents"
	"sluice/store/eventlog"
)

// changes has the newest changes of items, for all subscriptions. It is the hub's encoder. A frame has only the id of a
// change, since the hub does nothing else while it encodes.
type changes struct {
	log *eventlog.Log

	mu    sync.Mutex // a leaf
	byID  map[uint64]*change
	order []uint64 // of byID, as they came
	bytes int
}

// changesBytes bounds what is stored. A connection that needs older changes reads the log.
const changesBytes = 16 << 20

func newChanges(log *eventlog.Log) *changes { return &changes{log: log, byID: map[uint64]*change{}} }

// change is one change. It is parsed when first needed.
type change struct {
	event   eventlog.Event
	once    sync.Once
	changed documents.Changed
	ok      bool
}

func (c *change) read() (*documents.Changed, bool) {
	c.once.Do(func() { c.changed, c.ok = documents.Changes(&c.event) })
	return &c.changed, c.ok
}

// A frame is the id of an event, and a flag for a gap.
const frameBytes = 9

// Append appends the frame of an event, and stores the event, if it is of documents. Others may have the same names.
func (c *changes) Append(dst []byte, e *eventlog.Event) []byte {
	if !documents.OfDocuments(e) {
		return dst
	}
	c.keep(e)
	return append(binary.BigEndian.AppendUint64(dst, e.ID), 0)
}

// AppendGap appends the frame of a gap: some changes were lost.
func (c *changes) AppendGap(dst []byte, id uint64, _ string) []byte {
	return append(binary.BigEndian.AppendUint64(dst, id), 1)
}

// frame is one out of a block.
type frame struct {
	id  uint64
	gap bool
}

// cut reads a frame off the front of a block.
func cut(b []byte) (frame, []byte) {
	return frame{binary.BigEndian.Uint64(b), b[8] == 1}, b[frameBytes:]
}

func (c *changes) keep(e *eventlog.Event) *change {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.byID[e.ID]; one != nil {
		return one
	}
	one := &change{event: *e}
	c.byID[e.ID] = one
	c.order = append(c.order, e.ID)
	c.bytes += weight(e)
	for c.bytes > changesBytes && len(c.order) > 1 {
		c.bytes -= weight(&c.byID[c.order[0]].event)
		delete(c.byID, c.order[0])
		c.order = c.order[1:]
	}
	return one
}

// weight estimates the memory of an event.
func weight(e *eventlog.Event) int { return 256 + len(e.Data) + len(e.Meta) }

// kept returns the change with an id if it is in memory.
func (c *changes) kept(id uint64) *change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byID[id]
}

// find returns the change with an id, from the log if it is not in memory; nil if it is gone. With atOnce it does
// not read the log.
func (c *changes) find(ctx context.Context, id uint64, of channel.Set) (*change, error) {
	if one := c.kept(id); one != nil {
		return one, nil
	}
	if ctx == atOnce {
		return nil, errWaits
	}
	page, err := c.log.Read(ctx, &eventlog.Query{Channels: of}, id-1, 1)
	if err != nil || len(page.Events) == 0 || page.Events[0].ID != id {
		return nil, err
	}
	return c.keep(&page.Events[0]), nil
}
