package eventlog

import (
	"fmt"
	"strings"
)

// Bounds of rowCache.
const (
	maxCachedRows     = 4096
	maxCachedRowBytes = 4 << 20
)

// rowCache has rows as the entries so far have left them, those of the group under way too. Conditions and derivations read
// the same few rows again and again, such as that of a database, or a collection's count; each read of Pebble takes some
// microseconds of the one goroutine that applies. A value of nil means that there is no row.
type rowCache struct {
	rows  map[string][]byte
	bytes int
}

func (k *rowCache) set(key string, value []byte) {
	if k.rows == nil {
		k.rows = map[string][]byte{}
	}
	k.rows[key] = value
	k.bytes += len(key) + len(value) // an older value still counts; trim is the sooner due
}

// forgetKeyed forgets those of some stored rows that are of keyed spaces. Each message changes one of them, so with many
// rooms they would soon displace all others, and the committer has what it needs of them in its spaceCache.
func (k *rowCache) forgetKeyed(stored []Row) {
	for _, row := range stored {
		if value, ok := k.rows[row.Key]; ok && strings.HasPrefix(row.Key, keyedRow) {
			delete(k.rows, row.Key)
			k.bytes -= len(row.Key) + len(value)
		}
	}
}

// trim forgets all rows if there are too many. Call it only between groups: until a group is committed, the store does not
// have its rows.
func (k *rowCache) trim() {
	if len(k.rows) > maxCachedRows || k.bytes > maxCachedRowBytes {
		k.clear()
	}
}

func (k *rowCache) clear() { *k = rowCache{} }

// row is the value of a row as of the requests before, of this group too.
func (c *committer) row(key string) ([]byte, error) {
	if value, ok := c.rows.rows[key]; ok {
		return value, nil
	}
	value, err := c.engine.Row(key)
	if err != nil {
		return nil, fmt.Errorf("%w: looking up a row: %w", ErrUnavailable, err)
	}
	c.rows.set(key, value)
	return value, nil
}
