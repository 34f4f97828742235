package passwords

import (
	"crypto/sha256"
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Bounds of wrong passwords: so many at once, and then one each so often. A name has few, since its owner needs few; an
// address more, since many may share it.
const (
	nameTries, nameEvery = 10, 6 * time.Second
	fromTries, fromEvery = 30, 2 * time.Second
)

// Bounds of what is remembered of tries. Buckets that are full again go first, and the rest is few: each wrong password
// takes a processor for 50 ms, so that 32 processors make 40,000 in a minute, by which the bucket of a name is full.
const (
	maxBuckets = 50_000
	maxKnown   = 10_000
)

// TriesError is the error of Verify where too many passwords were wrong.
type TriesError struct{ After time.Duration }

// errTries is the only one. It says the same whatever was too much: else it would tell whether a name is known.
var errTries = &TriesError{nameEvery}

func (e *TriesError) Error() string {
	return "too many passwords were wrong, for this name or from this address; try again in a moment"
}

// digest is what a name or an address is remembered by: it has the same size for all of them.
type digest = [sha256.Size]byte

// tries bound the guessing of passwords, by the name that is tried and by the address that tries. A name has tries of
// its own with an address where it has signed in: strangers who guess do not lock its owner out.
type tries struct {
	mu    sync.Mutex
	names map[digest]*bucket
	froms map[digest]*bucket
	known map[digest]struct{} // names with where they have signed in
}

// bucket is what is left to a name or an address.
type bucket struct {
	left    *rate.Limiter
	running int // of a name: checks of which it is not known yet whether they are charged
}

func newTries() *tries {
	return &tries{names: map[digest]*bucket{}, froms: map[digest]*bucket{}, known: map[digest]struct{}{}}
}

// who is whose password is tried, and by whom.
type who struct{ name, from, both digest }

func (t *tries) ofName(w who, now time.Time) *bucket {
	if _, ok := t.known[w.both]; ok {
		w.name = w.both
	}
	return bucketOf(t.names, w.name, nameTries, nameEvery, now)
}

// open says whether the name has tries left, so that what is remembered of it may be told.
func (t *tries) open(w who) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	return t.ofName(w, now).left.TokensAt(now) >= 1
}

// begin lets a try in, which is to end. Where the address has none left, the name is charged, if there is such a name:
// else the address could go on guessing what is remembered.
func (t *tries) begin(w who, isName bool) (end func(outcome), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	name, from := t.ofName(w, now), bucketOf(t.froms, w.from, fromTries, fromEvery, now)
	switch {
	case name.left.TokensAt(now) < float64(name.running+1):
		return nil, false
	case from.left.TokensAt(now) < 1:
		if isName {
			name.left.ReserveN(now, 1)
		}
		return nil, false
	}
	name.running++
	return func(is outcome) { t.end(w, name, from, is) }, true
}

// outcome is what came of a try.
type outcome int

const (
	undone outcome = iota
	right
	wrong
)

func (t *tries) end(w who, name, from *bucket, is outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name.running--
	switch is {
	case right:
		t.signedIn(w)
	case wrong:
		now := time.Now()
		name.left.ReserveN(now, 1)
		from.left.ReserveN(now, 1) // below nothing as well: those that ran side by side are paid for later
	}
}

// know notes that a name has signed in by what is remembered of it.
func (t *tries) know(w who) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.signedIn(w)
}

func (t *tries) signedIn(w who) {
	if _, ok := t.known[w.both]; !ok {
		makeRoom(t.known, maxKnown)
		t.known[w.both] = struct{}{}
	}
}

func bucketOf(all map[digest]*bucket, of digest, most int, every time.Duration, now time.Time) *bucket {
	if b := all[of]; b != nil {
		return b
	}
	if len(all) >= maxBuckets {
		maps.DeleteFunc(all, func(_ digest, b *bucket) bool { return b.running == 0 && b.left.TokensAt(now) >= float64(most) })
		makeRoom(all, maxBuckets)
	}
	b := &bucket{left: rate.NewLimiter(rate.Every(every), most)}
	all[of] = b
	return b
}

// makeRoom forgets any of a full map: a map gives them in no order.
func makeRoom[T any](all map[digest]T, most int) {
	for d := range all {
		if len(all) < most {
			return
		}
		delete(all, d)
	}
}
