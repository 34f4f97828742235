package share

import "sync"

// commonKey is what connections of an owner have in common, by its hash.
type commonKey struct {
	owner string
	hash  [32]byte
}

// common is charged once to an owner, for all of its connections that use it.
type common struct {
	bytes int64
	uses  int
}

// commonBytes is the memory of an entry in Memory.common.
const commonBytes = 160

// TakeCommon charges n bytes once for all connections of an owner that use the same thing, such as one filter. hash is
// the hash of that thing. The caller calls release when it no longer uses it; further calls do nothing.
func (m *Memory) TakeCommon(owner string, hash [32]byte, n int64) (release func(), err error) {
	key := commonKey{owner, hash}
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.common[key]
	if one == nil {
		one = &common{bytes: n + commonBytes}
		if err := m.fits(owner, one.bytes, one.bytes); err != nil {
			return nil, err
		}
		m.add(owner, one.bytes)
		m.common[key] = one
	}
	one.uses++
	return sync.OnceFunc(func() { m.giveCommon(key, one) }), nil
}

func (m *Memory) giveCommon(key commonKey, one *common) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if one.uses--; one.uses == 0 {
		m.add(key.owner, -one.bytes)
		delete(m.common, key)
	}
}
