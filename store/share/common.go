package share

// commonKey is what connections of an owner have in common, by its hash.
type commonKey struct {
	owner string
	hash  [32]byte
}

// common is charged once to an owner, for all of its connections that use it.
type common struct {
	memory *Memory
	key    commonKey
	bytes  int64
	uses   int
}

// commonBytes is the memory of an entry in Memory.common.
const commonBytes = 192

// TakeCommon charges n bytes once for all connections of an owner that use the same thing, such as one filter. hash is
// the hash of that thing. The caller calls Release of the charge when it no longer uses it.
func (m *Memory) TakeCommon(owner string, hash [32]byte, n int64) (Charge, error) {
	key := commonKey{owner, hash}
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.common[key]
	if one == nil {
		one = &common{memory: m, key: key, bytes: n + commonBytes}
		if err := m.fits(owner, one.bytes, one.bytes); err != nil {
			return Charge{}, err
		}
		m.add(owner, one.bytes)
		m.common[key] = one
	}
	one.uses++
	return Charge{one}, nil
}

// Charge is one user's part of what TakeCommon has charged. The zero value is nothing. Connections store it, so it is small.
type Charge struct{ common *common }

// Release gives the charge back; further calls do nothing. Only one goroutine at a time may call it.
func (c *Charge) Release() {
	one := c.common
	if one == nil {
		return
	}
	c.common = nil
	m := one.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if one.uses--; one.uses == 0 {
		m.add(one.key.owner, -one.bytes)
		delete(m.common, one.key)
	}
}
