package share

import "sync"

// commonKey names what the connections of an owner have in common, by a hash of it.
type commonKey struct {
	owner string
	hash  [32]byte
}

// common is held once for an owner, however many of its connections use it.
type common struct {
	bytes int64
	uses  int
}

// commonBytes is what the entry of one takes by itself.
const commonBytes = 160

// TakeCommon charges n bytes that an owner holds once for all of its connections that use the same, as of one filter.
// The hash tells what is the same. The caller calls release when it does not use it any more; further calls do nothing.
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
