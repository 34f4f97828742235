package tries

import (
	"crypto/sha256"
	"maps"
	"time"

	"golang.org/x/time/rate"
)

// Digest stands for a name or an address in a table, so that each takes the same space.
type Digest = [sha256.Size]byte

// Limit lets Burst wrong tries pass at once, and after that one more each time that Every has passed.
type Limit struct {
	Burst int
	Every time.Duration
}

// maxBuckets is the size of a table. Full buckets are removed first. A wrong password takes a processor for 50 ms, so even
// 32 processors charge only 40,000 names in a minute. After that time, the first of them are full again.
const maxBuckets = 50_000

// table has a bucket for each name or address. The caller of its methods holds the owner's lock.
type table struct {
	limit Limit
	all   map[Digest]*bucket
}

// bucket has the tries that a name or an address has left.
type bucket struct {
	left    *rate.Limiter
	running int // checks that have begun, and may still be charged
}

func newTable(l Limit) table { return table{limit: l, all: map[Digest]*bucket{}} }

// of returns the bucket of a name or an address. It makes one if there is none.
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

// has reports whether a try is left, in addition to those that are running.
func (b *bucket) has(now time.Time) bool { return b.left.TokensAt(now) >= float64(b.running+1) }

// charge removes one try. The bucket may fall below zero if several tries ran at the same time.
func (b *bucket) charge(now time.Time) { b.left.ReserveN(now, 1) }

// wait returns the time until the bucket has a try: 0 if it has one, or if there is no bucket.
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

// makeRoom removes entries of a full map, in no order.
func makeRoom[T any](all map[Digest]T, most int) {
	for d := range all {
		if len(all) < most {
			return
		}
		delete(all, d)
	}
}
