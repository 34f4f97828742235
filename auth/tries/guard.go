package tries

import (
	"crypto/sha256"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"sluice/auth/peer"
)

// Guard limits the guessing of keys, by address. A key that was right from an address before always passes there. Many
// clients may share an address (behind a proxy, all of them), and one that guesses must not lock out the others.
type Guard struct {
	seed  maphash.Seed
	seen  [seenSets][seenWays]atomic.Uint64 // keys that were right, each with its address
	next  atomic.Uint32                     // which entry of a full set is overwritten next
	mu    sync.Mutex
	froms table
	all   *bucket // for all addresses together; nil for no limit
}

// The size of seen, a hash table: 128 KiB in all. A look-up takes no lock.
const (
	seenSets = 1 << 12
	seenWays = 4
)

// NewGuard makes a Guard.
func NewGuard(l Limit) *Guard { return &Guard{seed: maphash.MakeSeed(), froms: newTable(l)} }

// InAll also limits the wrong keys of all addresses together, for a guard of a single key. It returns the guard.
func (g *Guard) InAll(l Limit) *Guard {
	g.all = newBucket(l)
	return g
}

// Right must be called with the hash of each right key. It returns 0 if the key may pass. If the address has no tries
// left and the key has not come from there before, it returns how long the client must wait.
func (g *Guard) Right(from string, key Digest) time.Duration {
	pair := g.pair(from, key)
	if g.find(pair) != nil {
		return 0
	}
	if wait := g.wait(from); wait > 0 {
		return wait
	}
	g.note(pair)
	return 0
}

// Wait is Right for a key that may be wrong: it notes nothing.
func (g *Guard) Wait(from string, key Digest) time.Duration {
	if g.find(g.pair(from, key)) != nil {
		return 0
	}
	return g.wait(from)
}

// Note notes that a key was right, even if the address has no tries left.
func (g *Guard) Note(from string, key Digest) {
	if pair := g.pair(from, key); g.find(pair) == nil {
		g.note(pair)
	}
}

// Forget forgets that a key was right: it is not any more.
func (g *Guard) Forget(from string, key Digest) {
	pair := g.pair(from, key)
	if at := g.find(pair); at != nil {
		at.CompareAndSwap(pair, 0)
	}
}

// find returns where a pair is noted, or nil.
func (g *Guard) find(pair uint64) *atomic.Uint64 {
	set := &g.seen[pair%seenSets]
	for i := range set {
		if set[i].Load() == pair {
			return &set[i]
		}
	}
	return nil
}

func (g *Guard) note(pair uint64) {
	set := &g.seen[pair%seenSets]
	for i := range set {
		if set[i].CompareAndSwap(0, pair) {
			return
		}
	}
	set[g.next.Add(1)%seenWays].Store(pair)
}

// pair hashes a key and an address, never to 0. If two pairs have the same hash, the second passes without using a try;
// the key itself was compared before.
func (g *Guard) pair(from string, key Digest) uint64 {
	address := peer.Bytes(from)
	if address == ([16]byte{}) { // it is no IP address
		d := sha256.Sum256([]byte(from))
		address = [16]byte(d[:])
	}
	var both [len(address) + len(key)]byte
	copy(both[copy(both[:], address[:]):], key[:])
	return max(1, maphash.Bytes(g.seed, both[:]))
}

// wait returns how long an address must wait for a try.
func (g *Guard) wait(from string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	return max(g.all.wait(now), g.froms.all[digest(from)].wait(now))
}

// Wrong must be called for each wrong key. It charges the address and returns 0. If the address has no tries left, it
// returns how long the address must wait.
func (g *Guard) Wrong(from string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	b := g.froms.of(digest(from), now)
	if wait := max(g.all.wait(now), b.wait(now)); wait > 0 {
		return wait
	}
	b.charge(now)
	if g.all != nil {
		g.all.charge(now)
	}
	return 0
}

func digest(from string) Digest { return sha256.Sum256([]byte(peer.Network(from))) }
