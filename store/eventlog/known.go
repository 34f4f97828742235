package eventlog

// Bounds of what is known of spaces of keyed events at once.
const (
	knownMost  = 4096
	knownBytes = 256 << 20 // where Options have no other
)

// What a key and an entry take of memory, beside the key's text.
const (
	keyOverhead  = 64
	heldOverhead = 16
)

// known are the spaces of keyed events that the committer knows. Any of them is read again when it is needed.
type known struct {
	spaces map[string]*keyedSpace
	weight int64
	most   int64 // of weight
}

func newKnown(most int64) known { return known{spaces: map[string]*keyedSpace{}, most: most} }

func (k *known) add(name string, s *keyedSpace) {
	k.spaces[name] = s
	k.weight += s.weight
}

func (k *known) forget(name string) {
	if s := k.spaces[name]; s != nil {
		delete(k.spaces, name)
		k.weight -= s.weight
	}
}

func (k *known) clear() { *k = newKnown(k.most) }

// trim forgets some spaces where there are too many. It is called between groups only: of a space that a group has
// changed, the store does not know until the group is committed.
func (k *known) trim() {
	for name := range k.spaces {
		if len(k.spaces) <= knownMost && (k.weight <= k.most || len(k.spaces) == 1) {
			return
		}
		k.forget(name)
	}
}

// set makes the entries of a key what they are, and returns by how much the space has grown in memory.
func (s *keyedSpace) set(key string, entries []held) (grown int64) {
	grown = heldWeight(key, entries) - heldWeight(key, s.keys[key])
	s.weight += grown
	if len(entries) == 0 {
		delete(s.keys, key)
	} else {
		s.keys[key] = entries
	}
	return grown
}

func heldWeight(key string, entries []held) int64 {
	if len(entries) == 0 {
		return 0
	}
	return int64(keyOverhead + len(key) + heldOverhead*len(entries))
}
