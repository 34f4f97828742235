package directus

import (
	"context"
	"runtime"

	"sluice/store/share"
)

// freeWork bounds the work of matching a change that needs no slot: the bytes of the change times the query's weight. 512
// KiB take a millisecond. A query of a hundred comparisons costs more than ten times that for a change of 64 KiB, and a
// client may have a thousand subscriptions.
const freeWork = 512 << 10

// maxWaiting bounds the connections of one credential that wait for a slot. Each waits once.
const maxWaiting = 1 << 20

// newCostlyQueries makes the slots for heavy queries. Half the processors are for other work, and credentials take turns.
func newCostlyQueries() *share.Slots {
	return share.NewSlots(max(1, runtime.GOMAXPROCS(0)/2), maxWaiting)
}

// messageOf is the feed's messageOf. It takes a slot if the message is not made yet and costs more than freeWork. With
// atOnce, it waits neither for that nor for a connection that is making a message.
func (s *subscription) messageOf(ctx context.Context, slots *share.Slots, id uint64, c *change) ([]byte, error) {
	if ctx == atOnce {
		return s.feed.quickMessageOf(id, c)
	}
	if s.feed.cost(c) > freeWork && !s.feed.has(id) {
		release, err := slots.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	return s.feed.messageOf(id, c)
}

// readingCost is the cost of one byte of a query that is read again.
const readingCost = 32

// cost estimates the work of matching a change against the query.
func (r *request) cost(c *change) int {
	return r.weight*weight(&c.event) + readingCost*len(r.text)
}

// has reports whether the message of a change was made, even if it turned out that there is none.
func (f *feed) has(id uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, made := f.made[id]
	return made
}
