package tries

import (
	"crypto/sha256"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"sluice/auth/peer"
)

// Guard bounds the guessing of keys by address. A key that was right from an address before always passes there: many
// clients may share the address, behind a proxy all of them, and one who guesses must not lock the others out.
type Guard struct {
	seed  maphash.Seed
	seen  [seenSets][seenWays]atomic.Uint64 // keys that were right, each with its address
	next  atomic.Uint32                     // the way that is overwritten next in a full set
	mu    sync.Mutex
	froms table
	all   *bucket // of all addresses together; nil: they are not bounded
}

// What is remembered of right keys: 128 KiB in all. A look-up takes no lock.
const (
	seenSets = 1 << 12
	seenWays = 4
)

// NewGuard makes a Guard.
func NewGuard(l Limit) *Guard { return &Guard{seed: maphash.MakeSeed(), froms: newTable(l)} }

// InAll bounds the wrong keys of all addresses together, for a guard of one key. It returns the guard.
func (g *Guard) InAll(l Limit) *Guard {
	g.all = newBucket(l)
	return g
}

// Right is to be called with the hash of a key that is right. It returns 0 where the key may pass, else how long its owner must
// wait: its address has no tries left, and the key has not come from there before.
func (g *Guard) Right(from string, key Digest) time.Duration {
	pair := g.pair(from, key)
	set := &g.seen[pair%seenSets]
	for i := range set {
		if set[i].Load() == pair {
			return 0
		}
	}
	if wait := g.wait(from); wait > 0 {
		return wait
	}
	for i := range set {
		if set[i].CompareAndSwap(0, pair) {
			return 0
		}
	}
	set[g.next.Add(1)%seenWays].Store(pair)
	return 0
}

// pair is what a key and an address are remembered by. Where two pairs share one, the key is only compared.
func (g *Guard) pair(from string, key Digest) uint64 {
	address := peer.Bytes(from)
	if address == ([16]byte{}) { // it is none
		d := sha256.Sum256([]byte(from))
		address = [16]byte(d[:])
	}
	var both [len(address) + len(key)]byte
	copy(both[copy(both[:], address[:]):], key[:])
	return max(1, maphash.Bytes(g.seed, both[:]))
}

// wait is how long an address has to wait for a try.
func (g *Guard) wait(from string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	return max(g.all.wait(now), g.froms.all[digest(from)].wait(now))
}

// Wrong is to be called with each key that is wrong. It charges the address and returns 0, or returns how long the
// address must wait where it has no tries left.
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
