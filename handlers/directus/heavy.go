package directus

import (
	"context"
	"runtime"

	"sluice/store/share"
)

// freeWork is what asking a change of a query may cost without waiting, in bytes that are passed over, times the weight
// of what is asked of them: 512 KiB take a millisecond. A query of a hundred comparisons costs more than ten times that for
// a change of 64 KiB, and a client may have a thousand.
const freeWork = 512 << 10

// waitingMost is how many connections of one credential may wait to ask something heavy. Each waits once.
const waitingMost = 1 << 20

// newHeavy makes the slots in which queries that are heavy are asked of changes: half the processors are for others, and
// credentials take turns.
func newHeavy() *share.Slots { return share.NewSlots(max(1, runtime.GOMAXPROCS(0)/2), waitingMost) }

// tell is the feed's, in a slot where it costs more than is free and was not done yet.
func (s *subscription) messageOf(ctx context.Context, slots *share.Slots, id uint64, c *change) ([]byte, error) {
	if s.feed.cost(c) > freeWork && !s.feed.has(id) {
		release, err := slots.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	return s.feed.messageOf(id, c)
}

// readingCost is what a byte of a query costs that is read again.
const readingCost = 32

// cost is about what it takes to ask a change of the query.
func (r *request) cost(c *change) int {
	return r.weight*weight(&c.event) + readingCost*len(r.text)
}

// has reports whether the message of a change was made, if only to find that there is none.
func (f *feed) has(id uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, made := f.made[id]
	return made
}
