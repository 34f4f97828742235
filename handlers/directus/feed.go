package directus

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"

	"sluice/broker/document"
)

// feed is what subscriptions with the same query are told of a change: a change is held against a query once, however
// many have it, and by one of those who have it, never by the hub, since a query can take long.
type feed struct {
	query *itemsQuery
	item  string // only this one, if any
	key   feedKey
	all   *feeds
	uses  int // feeds.mu

	mu    sync.Mutex        // a leaf; held while a message is made, for which the others wait
	made  map[uint64][]byte // messages by the change, nil where the feed is told nothing
	order []uint64          // of made, the oldest first
	bytes int               // of them
}

// Bounds of the messages that a feed keeps for those who come for them a little later. It has more than its bytes, as of changes
// of a thousand items, as long as all feeds together have room: made anew for each who comes, they take seconds.
const (
	keptMessages = 2 * changeMost
	keptBytes    = 64 << 10
	keptOfAll    = 32 << 20
	entryBytes   = 64 // about, without the message
)

// feedKey is what makes two subscriptions the same: their query, as text, and their item.
type feedKey struct {
	query, item string
	own         *itemsQuery // of a query that speaks of its moment, which is nobody else's
}

// feeds are those in use.
type feeds struct {
	mu    sync.Mutex // a leaf
	byKey map[feedKey]*feed
	kept  atomic.Int64 // bytes of messages
}

// use gives the feed of a query, which is given back by drop.
func (f *feeds) use(key feedKey, q *itemsQuery) *feed {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.byKey[key]
	if one == nil {
		one = &feed{query: q, item: key.item, key: key, all: f, made: map[uint64][]byte{}}
		f.byKey[key] = one
	}
	one.uses++
	return one
}

func (f *feeds) drop(one *feed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one.uses--; one.uses == 0 {
		delete(f.byKey, one.key)
		f.kept.Add(-int64(one.bytes)) // it is nobody's, so nobody makes a message
	}
}

// keyOf is the key of a query, which was sent as v.
func keyOf(v gjson.Result, q *itemsQuery, item string) feedKey {
	text := jsontext.Value(v.Raw)
	if len(text) > 0 && text.Canonicalize() != nil { // it was read, so it is JSON
		return feedKey{own: q, item: item}
	}
	key := feedKey{query: string(text), item: item}
	if strings.Contains(key.query, "NOW") {
		key.own = q
	}
	return key
}

// tell is the message of a change but for its end, which is each subscription's own; nil where there is none.
func (f *feed) tell(id uint64, c *change) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if message, ok := f.made[id]; ok {
		return message
	}
	told, ok := c.read()
	if !ok { // another event of the same request tells it; kept, these would put out what was made
		return nil
	}
	message, ok := f.message(nil, told)
	if !ok {
		message = nil
	}
	f.made[id], f.order = message, append(f.order, id)
	f.grow(entryBytes + len(message))
	for len(f.order) > keptMessages || f.bytes > keptBytes && f.all.kept.Load() > keptOfAll {
		f.grow(-entryBytes - len(f.made[f.order[0]]))
		delete(f.made, f.order[0])
		f.order = f.order[1:]
	}
	return message
}

func (f *feed) grow(n int) {
	f.bytes += n
	f.all.kept.Add(int64(n))
}

// message appends what a change is to the feed; false, where that is nothing.
func (f *feed) message(dst []byte, c *document.Changed) ([]byte, bool) {
	if c.Kind == "delete" {
		dst = append(dst, `{"type":"subscription","event":"delete","data":`...)
		if f.item != "" {
			return gjson.AppendJSONString(dst, f.item), slices.Contains(c.IDs, f.item)
		}
		return appendIDs(dst, c.IDs), true
	}
	texts := c.Documents
	if f.item != "" {
		texts = slices.DeleteFunc(slices.Clone(texts), func(text []byte) bool { return document.ID(text) != f.item })
	}
	if texts = f.query.arrange(texts); len(texts) == 0 {
		return dst, false
	}
	event := "update"
	if c.Kind == "post" {
		event = "create"
	}
	dst = append(append(append(dst, `{"type":"subscription","event":"`...), event...), `","data":`...)
	if f.item != "" {
		return f.query.show(dst, texts[0]), true
	}
	return f.query.appendList(dst, texts), true
}

func appendIDs(dst []byte, ids []string) []byte {
	dst = append(dst, '[')
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = gjson.AppendJSONString(dst, id)
	}
	return append(dst, ']')
}
