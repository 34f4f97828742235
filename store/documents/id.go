package documents

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"time"
)

// maxID is the length of the longest id, in bytes; maxCollection that of the longest name.
const (
	maxID         = 128
	maxCollection = 128
)

// CheckID refuses an invalid id. Ids need no escaping in paths.
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

// CheckCollection refuses an invalid name of a collection.
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

// ids makes ids that sort in the order in which they were made. An id is 24 hex digits: 12 for the millisecond, and 12
// that count up from a random number. So a process that starts in the millisecond in which another one ended does not
// repeat its ids.
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
