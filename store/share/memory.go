package share

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// FullError is the refusal of an Account: the owner, or all owners together, hold as much as they may.
type FullError struct {
	Limit int64 // bytes
	All   bool  // the limit is that of all owners together, so a repeat can help
}

func (e *FullError) Error() string {
	if e.All {
		return fmt.Sprintf("all clients together hold as much memory as they may (%d bytes)", e.Limit)
	}
	return fmt.Sprintf("this credential holds as much memory as it may (%d bytes)", e.Limit)
}

// Memory bounds the bytes that the gateway holds for its clients: for each owner, and for all of them. It has an entry
// only for owners that hold something, so it cannot be grown.
type Memory struct {
	perOwner, total int64
	reserve, small  int64 // of total, for owners that hold no more than small
	refused         atomic.Uint64

	mu     sync.Mutex
	held   int64
	by     map[string]int64
	common map[commonKey]*common
}

// NewMemory makes a Memory with its two bounds in bytes.
func NewMemory(perOwner, total int64) *Memory {
	return &Memory{perOwner: perOwner, total: total, by: map[string]int64{}, common: map[commonKey]*common{}}
}

// NewReserved makes a Memory of which a quarter is for owners that hold little, a 64th of their bound. So a few that hold
// much cannot keep the others out.
func NewReserved(perOwner, total int64) *Memory {
	m := NewMemory(perOwner, total)
	m.reserve, m.small = total/4, perOwner/64
	return m
}

// Refused returns how often somebody was refused.
func (m *Memory) Refused() uint64 { return m.refused.Load() }

// Held returns the bytes that all owners hold.
func (m *Memory) Held() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held
}

// Account opens the account of one connection or request, which is to be closed.
func (m *Memory) Account(owner string) *Account { return m.AccountAbove(owner, 0) }

// AccountAbove is Account for a connection that may hold some bytes free of charge: they are a part of what every
// connection costs, which the number of connections bounds.
func (m *Memory) AccountAbove(owner string, free int64) *Account {
	return &Account{memory: m, owner: owner, free: free}
}

// Account is what one connection or request holds. It is safe for use by several goroutines.
type Account struct {
	memory *Memory
	free   int64
	owner  string // guarded by memory.mu, like held
	held   int64  // the free bytes included
	closed bool
}

// charged returns how much of some bytes is charged.
func (a *Account) charged(held int64) int64 { return max(0, held-a.free) }

// Take charges n more bytes, or refuses with a *FullError and charges nothing.
func (a *Account) Take(n int64) error {
	m := a.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.closed {
		return nil // what its owner does after the end is released with it
	}
	more := a.charged(a.held+n) - a.charged(a.held)
	if err := m.fits(a.owner, more, more); err != nil {
		return err
	}
	m.add(a.owner, more)
	a.held += n
	return nil
}

// Give returns n bytes that were taken.
func (a *Account) Give(n int64) {
	m := a.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	n = min(n, a.held) // nothing is left after Close
	m.add(a.owner, a.charged(a.held-n)-a.charged(a.held))
	a.held -= n
}

// Move charges what the account holds to another owner, or refuses with a *FullError and moves nothing.
func (a *Account) Move(owner string) error {
	m := a.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if owner == a.owner {
		return nil
	}
	n := a.charged(a.held)
	if err := m.fits(owner, n, 0); err != nil {
		return err
	}
	m.add(a.owner, -n)
	m.add(owner, n)
	a.owner = owner
	return nil
}

// Held returns the bytes of the account, the free ones included.
func (a *Account) Held() int64 {
	a.memory.mu.Lock()
	defer a.memory.mu.Unlock()
	return a.held
}

// Close returns all that the account holds. It may be called again.
func (a *Account) Close() {
	m := a.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(a.owner, -a.charged(a.held))
	a.held, a.closed = 0, true
}

// fits reports whether the owner may hold own more bytes, and all owners together all more.
func (m *Memory) fits(owner string, own, all int64) error {
	var full *FullError
	switch {
	case own <= 0: // who gives back, or moves nothing, is never refused
		return nil
	case m.by[owner]+own > m.perOwner:
		full = &FullError{Limit: m.perOwner}
	case all > 0 && m.held+all > m.limit(m.by[owner]+own):
		full = &FullError{Limit: m.total, All: true}
	default:
		return nil
	}
	m.refused.Add(1)
	return full
}

// limit is what all owners may hold together when one would hold n.
func (m *Memory) limit(n int64) int64 {
	if n <= m.small {
		return m.total
	}
	return m.total - m.reserve
}

func (m *Memory) add(owner string, n int64) {
	if n == 0 {
		return
	}
	m.held += n
	if m.by[owner] += n; m.by[owner] == 0 {
		delete(m.by, owner)
	}
}
