package tries

import (
	"sync"
	"time"
)

// The bounds of passwords. A name has few tries, since its owner needs few; an address has more, since many may share it.
var (
	ofName    = Limit{10, NameEvery}
	ofAddress = Limit{30, 2 * time.Second}
)

// NameEvery is how often a name that has used up its tries gets another.
const NameEvery = 6 * time.Second

// maxKnown bounds how many names are remembered with an address where they have signed in.
const maxKnown = 10_000

// Names bounds the guessing of passwords. A name has tries of its own at an address where it has signed in before, so
// that strangers who guess elsewhere do not lock its owner out.
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

// Who is whose password is tried, and from where. Both stands for the two together.
type Who struct{ Name, From, Both Digest }

// Open reports whether a try may be looked at at all. Where it is false, the answer must be the same for every password.
// An address without tries is closed to every name but those that have signed in there. A name that has is charged for
// the refused try in Begin, and no other name is: else the bucket of a name would tell whether it exists.
func (t *Names) Open(w Who) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	name, known := t.ofName(w, now)
	return name.left.TokensAt(now) >= 1 && (known || t.froms.of(w.From, now).has(now))
}

// ofName finds the bucket of a name, or of a name together with an address where it has signed in.
func (t *Names) ofName(w Who, now time.Time) (b *bucket, known bool) {
	if _, known = t.known[w.Both]; known {
		w.Name = w.Both
	}
	return t.names.of(w.Name, now), known
}

// Outcome is what came of a try.
type Outcome int

// The outcomes.
const (
	Undone Outcome = iota // it could not be compared
	Right
	Wrong
)

// Begin lets a try in, and the caller must call end. It is false where the name or the address has no tries left.
func (t *Names) Begin(w Who) (end func(Outcome), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	name, known := t.ofName(w, now)
	from := t.froms.of(w.From, now)
	switch {
	case !name.has(now):
		return nil, false
	case !from.has(now):
		if known { // its remembered password could be guessed from here
			name.charge(now)
		}
		return nil, false
	}
	name.running++
	return func(is Outcome) { t.end(w, name, from, is) }, true
}

func (t *Names) end(w Who, name, from *bucket, is Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name.running--
	switch is {
	case Right:
		t.signedIn(w)
	case Wrong:
		now := time.Now()
		name.charge(now)
		from.charge(now)
	}
}

// Know notes that a name has signed in with a password that was remembered.
func (t *Names) Know(w Who) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.signedIn(w)
}

func (t *Names) signedIn(w Who) {
	if _, ok := t.known[w.Both]; !ok {
		makeRoom(t.known, maxKnown)
		t.known[w.Both] = struct{}{}
	}
}
