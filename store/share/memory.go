package share

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// FullError is the refusal of an Account: the owner, or all owners together, use as much as they may.
type FullError struct {
	Limit int64 // bytes
	All   bool  // the limit is that of all owners together, so trying again may help
}

func (e *FullError) Error() string {
	if e.All {
		return fmt.Sprintf("all clients together use as much memory as they may (%d bytes)", e.Limit)
	}
	return fmt.Sprintf("this credential uses as much memory as it may (%d bytes)", e.Limit)
}

// Memory bounds the bytes that the gateway keeps for its clients: for each owner, and for all together. It has entries
// only for owners with a charge, so clients cannot make it grow.
type Memory struct {
	perOwner, total int64
	reserve, small  int64 // the part of total for owners with at most small
	refused         atomic.Uint64

	mu     sync.Mutex
	used   int64
	by     map[string]int64
	common map[commonKey]*common
}

// NewMemory makes a Memory with its two bounds in bytes.
func NewMemory(perOwner, total int64) *Memory {
	return &Memory{perOwner: perOwner, total: total, by: map[string]int64{}, common: map[commonKey]*common{}}
}

// NewReserved makes a Memory of which a quarter is for owners with little: at most a 64th of their bound. So a few
// owners with much cannot lock the others out.
func NewReserved(perOwner, total int64) *Memory {
	m := NewMemory(perOwner, total)
	m.reserve, m.small = total/4, perOwner/64
	return m
}

// Refused is the number of refusals.
func (m *Memory) Refused() uint64 { return m.refused.Load() }

// Held is the number of bytes charged to all owners.
func (m *Memory) Held() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

// Account opens an account for one connection or request. It must be closed.
func (m *Memory) Account(owner string) *Account { return m.AccountAbove(owner, 0) }

// AccountAbove is Account for a connection with some bytes free of charge. They are part of what every connection
// costs, which the number of connections bounds.
func (m *Memory) AccountAbove(owner string, free int64) *Account {
	return &Account{memory: m, owner: owner, free: free}
}

// Account is what one connection or request uses. Several goroutines may use it.
type Account struct {
	memory *Memory
	free   int64
	owner  string // guarded by memory.mu, like used
	used   int64  // including the free bytes
	closed bool
}

// charged is the charge for some bytes.
func (a *Account) charged(used int64) int64 { return max(0, used-a.free) }

// Take charges n more bytes, or refuses with a *FullError and charges nothing.
func (a *Account) Take(n int64) error {
	m := a.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.closed {
		return nil // what is taken after Close is freed with the connection
	}
	more := a.charged(a.used+n) - a.charged(a.used)
	if err := m.fits(a.owner, more, more); err != nil {
		return err
	}
	m.add(a.owner, more)
	a.used += n
	return nil
}

// Give gives n bytes back.
func (a *Account) Give(n int64) {
	m := a.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	n = min(n, a.used) // after Close there is nothing to give
	m.add(a.owner, a.charged(a.used-n)-a.charged(a.used))
	a.used -= n
}

// Move charges the account to another owner, or refuses with a *FullError and moves nothing.
func (a *Account) Move(owner string) error {
	m := a.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if owner == a.owner {
		return nil
	}
	n := a.charged(a.used)
	if err := m.fits(owner, n, 0); err != nil {
		return err
	}
	m.add(a.owner, -n)
	m.add(owner, n)
	a.owner = owner
	return nil
}

// Held is the number of bytes of the account, including the free ones.
func (a *Account) Held() int64 {
	a.memory.mu.Lock()
	defer a.memory.mu.Unlock()
	return a.used
}

// Close gives everything back. It may be called again.
func (a *Account) Close() {
	m := a.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(a.owner, -a.charged(a.used))
	a.used, a.closed = 0, true
}

// fits checks whether the owner may use own more bytes, and all owners together all more.
func (m *Memory) fits(owner string, own, all int64) error {
	var full *FullError
	switch {
	case own <= 0: // giving back, or moving nothing, is never refused
		return nil
	case m.by[owner]+own > m.perOwner:
		full = &FullError{Limit: m.perOwner}
	case all > 0 && m.used+all > m.limit(m.by[owner]+own):
		full = &FullError{Limit: m.total, All: true}
	default:
		return nil
	}
	m.refused.Add(1)
	return full
}

// limit is the bound of all owners together for an owner that would have n.
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
	m.used += n
	if m.by[owner] += n; m.by[owner] == 0 {
		delete(m.by, owner)
	}
}
