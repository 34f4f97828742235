package directus

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"

	"sluice/store/documents"
)

// feed makes the messages for all subscriptions with the same query. Each change is matched against the query once. The
// connection of a subscription does this, never the hub, since a query can take long.
type feed struct {
	request
	all  *feeds
	uses atomic.Int64 // changed with feeds.mu locked

	mu    sync.Mutex        // a leaf; locked while one connection makes a message, which the others wait for
	made  map[uint64][]byte // messages by the change; nil: the change is not for this feed
	order []uint64          // of made, the oldest first
	bytes int               // of made
}

// Bounds of the messages that a feed stores for subscriptions that need them a little later. A feed with a single
// subscription stores none. A feed may exceed maxFeedBytes, for changes of a thousand items, as long as all feeds together
// are within maxAllFeeds: making such messages again for each subscription would take seconds. Beyond maxAllFeeds, each feed
// may store its equal part of as much again, at most maxFeedBytes.
const (
	maxFeedMessages = 2 * maxChangeItems
	maxFeedBytes    = 64 << 10
	maxAllFeeds     = 32 << 20
	entryBytes      = 64 // about, without the message
)

// feedKey identifies subscriptions that share a feed: the same query, by the hash of its text, and the same item.
type feedKey struct {
	sum  [sha256.Size]byte
	item string     // only this one, if any
	own  *time.Time // of a query with $NOW: the moment it was read, so that no other subscription shares it
}

// hash identifies what the subscriptions of a feed have in common.
func (k *feedKey) hash() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "feed %x %p %q", k.sum, k.own, k.item))
}

// request is what a subscription asks for.
type request struct {
	feedKey
	query *itemsQuery // nil if it takes much more memory than its text; it is then read again for each change
	text  string      // of a query that is read again
	size  int64       // about how many bytes the feed takes
	// The cost of matching one byte of a change against the query.
	weight int
}

// feedBytes is the memory of a feed without its query. A compiled query may take compiledBytes and three and a half
// times its text. A filter of a hundred short conditions takes thirty times its text; then only the text is stored.
const (
	feedBytes     = 768
	compiledBytes = 4 << 10
)

// requestOf makes the request of a query. The client sent it as v, and it was parsed at the moment at.
func requestOf(v gjson.Result, q *itemsQuery, at time.Time, item string) request {
	text := jsontext.Value(v.Raw)
	same := len(text) == 0 || text.Canonicalize() == nil // it was read, so it is JSON
	r := request{feedKey: feedKey{sum: sha256.Sum256(text), item: strings.Clone(item)}, weight: q.condition.Weight() + len(q.order)}
	if !same || bytes.Contains(text, []byte("NOW")) {
		r.own = &at
	}
	n := len(text)
	if compiled := q.size() + int64(n); compiled <= compiledBytes+int64(3*n+n/2) { // its texts are parts of what was sent
		r.query, r.size = q, compiled
	} else {
		r.text, r.size = string(text), int64(n)
	}
	r.size += feedBytes + int64(len(item))
	return r
}

// compiled returns the query, and reads it again if only its text is stored.
func (r *request) compiled() (*itemsQuery, error) {
	if r.query != nil {
		return r.query, nil
	}
	var at time.Time
	if r.own != nil {
		at = *r.own
	}
	q, err := parseQuery(r.text, at)
	if err != nil {
		return nil, fmt.Errorf("reading a query that was read before: %w", err)
	}
	return q, nil
}

// feeds are those in use.
type feeds struct {
	mu    sync.Mutex // a leaf
	byKey map[feedKey]*feed
	used  atomic.Int64 // bytes of messages
	count atomic.Int64 // of byKey
}

// use returns the feed of a request. The caller releases it with drop.
func (f *feeds) use(r *request) *feed {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.byKey[r.feedKey]
	if one == nil {
		one = &feed{request: *r, all: f}
		f.byKey[r.feedKey] = one
		f.count.Add(1)
	}
	one.uses.Add(1)
	return one
}

func (f *feeds) drop(one *feed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one.uses.Add(-1) == 0 {
		delete(f.byKey, one.feedKey)
		f.count.Add(-1)
		f.used.Add(-int64(one.bytes)) // no subscription is left that could make a message
	}
}

// messageOf returns the message of a change without its end, which differs by subscription; nil if there is none.
func (f *feed) messageOf(id uint64, c *change) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.messageOnce(id, c)
}

// quickMessageOf is messageOf, or errWaits where that would take long.
func (f *feed) quickMessageOf(id uint64, c *change) ([]byte, error) {
	if !f.mu.TryLock() {
		return nil, errWaits
	}
	defer f.mu.Unlock()
	if _, made := f.made[id]; !made && f.cost(c) > freeWork {
		return nil, errWaits
	}
	return f.messageOnce(id, c)
}

// messageOnce makes the message, or has it. The caller has locked mu.
func (f *feed) messageOnce(id uint64, c *change) ([]byte, error) {
	if message, ok := f.made[id]; ok {
		return message, nil
	}
	change, ok := c.read()
	if !ok { // another event of the same request has the change; storing nothing leaves room for messages
		return nil, nil
	}
	q, err := f.compiled()
	if err != nil {
		return nil, err
	}
	message, ok := f.message(nil, change, q)
	if !ok {
		message = nil
	}
	if f.uses.Load() > 1 {
		f.keep(id, message)
	}
	return message, nil
}

// keep stores a message for other subscriptions.
func (f *feed) keep(id uint64, message []byte) {
	if f.made == nil {
		f.made = map[uint64][]byte{}
	}
	f.made[id], f.order = message, append(f.order, id)
	f.grow(entryBytes + len(message))
	part := min(maxFeedBytes, maxAllFeeds/int(max(1, f.all.count.Load())))
	for len(f.order) > maxFeedMessages || f.bytes > part && f.all.used.Load() > maxAllFeeds {
		f.grow(-entryBytes - len(f.made[f.order[0]]))
		delete(f.made, f.order[0])
		f.order = f.order[1:]
	}
}

func (f *feed) grow(n int) {
	f.bytes += n
	f.all.used.Add(int64(n))
}

// message appends the message of a change; false if the change is not for this feed.
func (f *feed) message(dst []byte, c *documents.Changed, q *itemsQuery) ([]byte, bool) {
	if c.Kind == "delete" {
		dst = append(dst, `{"type":"subscription","event":"delete","data":`...)
		if f.item != "" {
			return gjson.AppendJSONString(dst, f.item), slices.Contains(c.IDs, f.item)
		}
		return appendIDs(dst, c.IDs), true
	}
	texts := c.Documents
	if f.item != "" {
		texts = slices.DeleteFunc(slices.Clone(texts), func(text []byte) bool { return documents.ID(text) != f.item })
	}
	if texts = q.arrange(texts); len(texts) == 0 {
		return dst, false
	}
	event := "update"
	if c.Kind == "post" {
		event = "create"
	}
	dst = append(append(append(dst, `{"type":"subscription","event":"`...), event...), `","data":`...)
	if f.item != "" {
		return q.show(dst, texts[0]), true
	}
	return q.appendList(dst, texts), true
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
