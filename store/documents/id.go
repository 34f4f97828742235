package documents

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"time"
)

// maxID is the longest id, in bytes; maxCollection the longest name.
const (
	maxID         = 128
	maxCollection = 128
)

// CheckID refuses what cannot be an id. Ids stand in paths, so that they need no escaping there.
func CheckID(id string) error {
	if id == "" || len(id) > maxID || id == "." || id == ".." {
		return ErrID
	}
	for i := range len(id) {
		if c := id[i]; !letter(c) && c != '.' && c != '~' {
			return ErrID
		}
	}
	return nil
}

// CheckCollection refuses what cannot be a collection's name.
func CheckCollection(name string) error {
	if name == "" || len(name) > maxCollection {
		return ErrCollection
	}
	for i := range len(name) {
		if !letter(name[i]) {
			return ErrCollection
		}
	}
	return nil
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// ids makes ids that sort as they were made: 24 hex digits, of which 12 are the millisecond and 12 count up from a
// random number in it. A process that starts in the same millisecond as another's end does not repeat its ids.
type ids struct {
	mu   sync.Mutex
	last [12]byte
}

func (g *ids) next(now time.Time) string {
	var id [12]byte
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16)
	rand.Read(id[6:]) // never fails
	id[6] &= 0x7F     // room to count up
	g.mu.Lock()
	defer g.mu.Unlock()
	if string(id[:6]) <= string(g.last[:6]) {
		id = g.last
		for i := len(id) - 1; ; i-- {
			if id[i]++; id[i] != 0 {
				break
			}
		}
	}
	g.last = id
	return hex.EncodeToString(id[:])
}
