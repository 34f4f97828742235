package directus

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"

	"sluice/broker/document"
	"sluice/broker/eventlog"
)

// feed is what subscriptions with the same query are told of a change: it is the hub's encoder, so a change is held
// against a query once, however many have it.
type feed struct {
	query *itemsQuery
	item  string // only this one, if any
	key   feedKey
	uses  int // feeds.mu
}

// feedKey is what makes two subscriptions the same: their query, as text, and their item.
type feedKey struct {
	query, item string
	own         *itemsQuery // of a query that speaks of its moment, which is nobody else's
}

// feeds are those in use.
type feeds struct {
	mu    sync.Mutex // a leaf
	byKey map[feedKey]*feed
}

// use gives the feed of a query, which is given back by drop.
func (f *feeds) use(key feedKey, q *itemsQuery) *feed {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.byKey[key]
	if one == nil {
		one = &feed{query: q, item: key.item, key: key}
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

// Append appends a frame: the event's id, the length of the message and the message but for its end, which is each
// subscription's own.
func (f *feed) Append(dst []byte, e *eventlog.Event) []byte {
	c, ok := document.Changes(e)
	if !ok {
		return dst
	}
	begun := len(dst)
	dst = binary.BigEndian.AppendUint64(dst, e.ID)
	dst = append(dst, 0, 0, 0, 0)
	from := len(dst)
	if dst, ok = f.message(dst, &c); !ok {
		return dst[:begun]
	}
	binary.BigEndian.PutUint32(dst[from-4:], uint32(len(dst)-from))
	return dst
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

// AppendGap appends a frame without a message: changes are gone that the subscription was not told of.
func (f *feed) AppendGap(dst []byte, id uint64, _ string) []byte {
	return append(binary.BigEndian.AppendUint64(dst, id), 0, 0, 0, 0)
}

// frame is one out of a block.
type frame struct {
	id      uint64
	message []byte // empty: a gap
}

// cut reads a frame off the front of a block.
func cut(b []byte) (frame, []byte) {
	n := binary.BigEndian.Uint32(b[8:])
	return frame{binary.BigEndian.Uint64(b), b[12 : 12+n]}, b[12+n:]
}
