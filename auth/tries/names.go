package tries

import (
	"sync"
	"time"
)

// Limits of passwords. A name has few tries, because its owner needs few. An address has more, because many may share it.
var (
	ofName    = Limit{10, NameEvery}
	ofAddress = Limit{30, 2 * time.Second}
)

// NameEvery is how often a name that has used up its tries gets another.
const NameEvery = 6 * time.Second

// maxKnown is how many names are remembered, each with an address where it has signed in.
const maxKnown = 10_000

// Names limits the guessing of passwords. A name has separate tries at an address where it has signed in before, so that
// strangers who guess elsewhere do not lock out its owner.
type Names struct {
	mu    sync.Mutex
	names table
	froms table
	known map[Digest]struct{} // names together with an address
}

// NewNames makes a Names.
func NewNames() *Names {
	return &Names{names: newTable(ofName), froms: newTable(ofAddress), known: map[Digest]struct{}{}}
}

// Digests has the digests of the name whose password is tried, of the address, and of the two together.
type Digests struct{ Name, From, Both Digest }

// Open reports whether a try may be checked at all. If not, the answer must be the same for every password. An address
// without tries left is closed to all names except those that have signed in there. Only such a name is charged for the
// refused try, in Begin; otherwise the bucket of a name would reveal whether it exists.
func (t *Names) Open(d Digests) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	name, known := t.ofName(d, now)
	return name.left.TokensAt(now) >= 1 && (known || t.froms.of(d.From, now).has(now))
}

// ofName finds the bucket of a name; at an address where it has signed in, the bucket of the two together.
func (t *Names) ofName(d Digests, now time.Time) (b *bucket, known bool) {
	if _, known = t.known[d.Both]; known {
		d.Name = d.Both
	}
	return t.names.of(d.Name, now), known
}

// Outcome is the result of a try.
type Outcome int

const (
	Undone Outcome = iota // the password could not be compared
	Right
	Wrong
)

// Begin starts a try; the caller must call end. It returns false if the name or the address has no tries left.
func (t *Names) Begin(d Digests) (end func(Outcome), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	name, known := t.ofName(d, now)
	from := t.froms.of(d.From, now)
	switch {
	case !name.has(now):
		return nil, false
	case !from.has(now):
		if known { // a remembered password still passes from here, so a wrong one must count
			name.charge(now)
		}
		return nil, false
	}
	name.running++
	return func(is Outcome) { t.end(d, name, from, is) }, true
}

func (t *Names) end(d Digests, name, from *bucket, is Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name.running--
	switch is {
	case Right:
		t.signedIn(d)
	case Wrong:
		now := time.Now()
		name.charge(now)
		from.charge(now)
	}
}

// Know notes that a name has signed in with a remembered password, without Begin.
func (t *Names) Know(d Digests) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.signedIn(d)
}

func (t *Names) signedIn(d Digests) {
	if _, ok := t.known[d.Both]; !ok {
		makeRoom(t.known, maxKnown)
		t.known[d.Both] = struct{}{}
	}
}
