package tries

import (
	"crypto/sha256"
	"maps"
	"time"

	"golang.org/x/time/rate"
)

// Digest is what a name or an address is remembered by: all of them take the same space.
type Digest = [sha256.Size]byte

// Limit is how many wrong tries pass at once, and how often one more passes after that.
type Limit struct {
	Burst int
	Every time.Duration
}

// maxBuckets bounds a table. Full buckets are forgotten first. A wrong password takes a processor for 50 ms, so even 32
// processors charge only 40,000 names in a minute, and by then the first of them are full again.
const maxBuckets = 50_000

// table holds what is left to each of many. Its owner holds the lock.
type table struct {
	limit Limit
	all   map[Digest]*bucket
}

// bucket is what is left to a name or an address.
type bucket struct {
	left    *rate.Limiter
	running int // checks that are under way, and may still be charged
}

func newTable(l Limit) table { return table{limit: l, all: map[Digest]*bucket{}} }

// of finds the bucket of a name or an address, and makes one where there is none.
func (t *table) of(d Digest, now time.Time) *bucket {
	if b := t.all[d]; b != nil {
		return b
	}
	if len(t.all) >= maxBuckets {
		maps.DeleteFunc(t.all, func(_ Digest, b *bucket) bool {
			return b.running == 0 && b.left.TokensAt(now) >= float64(t.limit.Burst)
		})
		makeRoom(t.all, maxBuckets)
	}
	b := newBucket(t.limit)
	t.all[d] = b
	return b
}

func newBucket(l Limit) *bucket { return &bucket{left: rate.NewLimiter(rate.Every(l.Every), l.Burst)} }

// has reports whether a try is left beside those that are running.
func (b *bucket) has(now time.Time) bool { return b.left.TokensAt(now) >= float64(b.running+1) }

// charge takes one try away. The bucket may fall below zero: tries that ran side by side are paid for later.
func (b *bucket) charge(now time.Time) { b.left.ReserveN(now, 1) }

// wait is how long it takes until the bucket has a try; 0 where it has one, and where there is no bucket.
func (b *bucket) wait(now time.Time) time.Duration {
	if b == nil {
		return 0
	}
	missing := 1 - b.left.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return max(1, time.Duration(missing/float64(b.left.Limit())*float64(time.Second)))
}

// makeRoom forgets entries of a full map, in no order.
func makeRoom[T any](all map[Digest]T, most int) {
	for d := range all {
		if len(all) < most {
			return
		}
		delete(all, d)
	}
}
