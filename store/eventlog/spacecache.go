package eventlog

// Bounds of the keyed spaces in memory.
const (
	cacheSpaces = 4096
	cacheBytes  = 256 << 20 // unless Options say otherwise
)

// The memory of a key, besides its text, and of an entry.
const (
	keyOverhead = 64
	entryMemory = 16
)

// spaceCache has the keyed spaces that the committer knows. Any of them can be forgotten and read again.
type spaceCache struct {
	spaces map[string]*keyedSpace
	weight int64
	most   int64 // of weight
}

func newSpaceCache(most int64) spaceCache {
	return spaceCache{spaces: map[string]*keyedSpace{}, most: most}
}

func (k *spaceCache) add(name string, s *keyedSpace) {
	k.spaces[name] = s
	k.weight += s.weight
}

func (k *spaceCache) forget(name string) {
	if s := k.spaces[name]; s != nil {
		delete(k.spaces, name)
		k.weight -= s.weight
	}
}

func (k *spaceCache) clear() { *k = newSpaceCache(k.most) }

// trim forgets some spaces if there are too many. Call it only between groups: until a group is committed, the store
// does not have its changes to a space.
func (k *spaceCache) trim() {
	for name := range k.spaces {
		if len(k.spaces) <= cacheSpaces && (k.weight <= k.most || len(k.spaces) == 1) {
			return
		}
		k.forget(name)
	}
}

// set replaces the entries of a key and returns by how much the space's memory has grown.
func (s *keyedSpace) set(key string, entries []entry) (grown int64) {
	grown = keyMemory(key, entries) - keyMemory(key, s.keys[key])
	s.weight += grown
	if len(entries) == 0 {
		delete(s.keys, key)
	} else {
		s.keys[key] = entries
	}
	return grown
}

func keyMemory(key string, entries []entry) int64 {
	if len(entries) == 0 {
		return 0
	}
	return int64(keyOverhead + len(key) + entryMemory*len(entries))
}
