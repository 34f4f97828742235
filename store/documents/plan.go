package documents

import (
	"bytes"
	"container/heap"
	"errors"
	"slices"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// errMany says that an index leads to so many documents that a scan is cheaper: a row reached by its key takes 10 to
// 40 µs, one that is passed 1 to 3.
var errMany = errors.New("too many documents for the index")

// gathered is how many documents are reached by an index before that.
const gathered = 2000

// find answers a query: by an index that narrows it, else by one that has the order, else by a scan.
func (l *looking) find(q *Query, r *Result) error {
	for _, f := range l.store.indexes[l.name] {
		if _, narrowed := q.Where.Ranges(f.String()); !narrowed {
			continue
		}
		if err := l.narrowed(f, q, r); !errors.Is(err, errMany) {
			return err
		}
	}
	if f, ok := l.ordered(q); ok {
		if err := l.inOrder(f, q, r); !errors.Is(err, errMany) {
			return err
		}
	}
	backwards, byID := idOrder(q.Order)
	c := l.collect(q, r, byID)
	if err := l.scan(q.Where, backwards, c.add); err != nil {
		return err
	}
	return c.end()
}

// idOrder says whether an order is that of ids, and which way.
func idOrder(o query.Order) (backwards, ok bool) {
	if len(o) == 0 {
		return false, true
	}
	return o[0].Descending, o[0].Field.String() == "_id"
}

// ordered is the index that has the documents in the order asked for, where only the first of them are wanted.
func (l *looking) ordered(q *Query) (query.Field, bool) {
	if len(q.Order) != 1 || q.Limit < 0 || q.Total && q.Where != nil || q.Order[0].Field.Places() {
		return query.Field{}, false
	}
	for _, f := range l.store.indexes[l.name] {
		if f.String() == q.Order[0].Field.String() {
			return f, true
		}
	}
	return query.Field{}, false
}

// narrowed answers from the documents that an index leads to, in order of their ids.
func (l *looking) narrowed(f query.Field, q *Query, r *Result) error {
	var found []string
	base := entries(l.name, f)
	err := l.ranges(q.Where, f.String(), base, false, func(from, to string) (bool, error) {
		err := l.view.Scan(from, to, false, func(_, id []byte) (bool, error) {
			if len(found) == gathered {
				return false, errMany
			}
			found = append(found, string(id))
			return true, nil
		})
		return true, err
	})
	if err != nil {
		return err
	}
	slices.Sort(found)
	backwards, byID := idOrder(q.Order)
	if backwards && byID {
		slices.Reverse(found)
	}
	c := l.collect(q, r, byID)
	c.owned = true
	for _, id := range found {
		if on, err := l.fetch(id, q.Where, c.add); err != nil || !on {
			return err
		}
	}
	return c.end()
}

// inOrder answers by going along an index.
func (l *looking) inOrder(f query.Field, q *Query, r *Result) error {
	base := entries(l.name, f)
	reached, backwards := 0, q.Order[0].Descending
	c := l.collect(q, r, true)
	c.owned = true
	err := l.ranges(q.Where, f.String(), base, backwards, func(from, to string) (bool, error) {
		on := true
		err := l.view.Scan(from, to, backwards, func(key, id []byte) (_ bool, err error) {
			if reached++; reached > gathered || q.Order[0].Unordered(key[len(base):]) {
				return false, errMany // or it has no exact order
			}
			on, err = l.fetch(string(id), q.Where, c.add)
			return on, err
		})
		return on, err
	})
	if err != nil {
		*r = Result{Total: -1, Position: r.Position}
		return err
	}
	return c.end()
}

// fetch hands a document to f, if it matches.
func (l *looking) fetch(id string, where *query.Condition, f func(text []byte) (bool, error)) (bool, error) {
	text, err := l.view.Row(documentKey(l.name, id))
	if err == nil {
		err = l.step(where, text)
	}
	if err != nil || text == nil || !where.Match(text) {
		return err == nil, err
	}
	return f(text)
}

// Bounds of what can be in the first places of an answer that has to be sorted: documents, and bytes of what they are
// sorted by.
const (
	sortMost  = 10_000
	sortBytes = 16 << 20
)

// keptBytes bounds the texts that are kept until it is known which of them are the first. Others are read twice.
const keptBytes = 1 << 20

// collector makes an answer of the documents that match.
type collector struct {
	*looking
	q       *Query
	r       *Result
	sorted  bool // they come in order
	owned   bool // their texts stay
	skip    int
	matched int64
	key     []byte // of the match that is looked at
	keys    int    // bytes of those in first
	kept    int    // bytes of their texts
	first   firsts // of those that do not: the first ones so far, the last of them on top
}

func (l *looking) collect(q *Query, r *Result, sorted bool) *collector {
	l.answer.bytes = 0 // it may be the second try
	return &collector{looking: l, q: q, r: r, sorted: sorted, skip: max(0, q.Skip)}
}

// add takes the next match, and says whether more are wanted.
func (c *collector) add(text []byte) (bool, error) {
	c.matched++
	if !c.sorted {
		return true, c.rank(text)
	}
	if c.matched > int64(c.skip) && !c.full() {
		if !c.owned {
			text = bytes.Clone(text)
		}
		if err := c.show(text); err != nil {
			return false, err
		}
	}
	return !c.full() || c.q.Total && c.q.Where != nil, nil
}

func (c *collector) full() bool { return c.q.Limit >= 0 && len(c.r.Documents) >= c.q.Limit }

func (c *collector) show(text []byte) error {
	if err := c.answer.show(text); err != nil {
		return err
	}
	c.r.Documents = append(c.r.Documents, text)
	return nil
}

// rank keeps a match if it is one of the first so far.
func (c *collector) rank(text []byte) error {
	id := gjson.GetBytes(text, "_id").Str
	c.key = c.q.Order.AppendKey(c.key[:0], text)
	tie := len(c.key)
	c.key = query.AppendKey(c.key, gjson.Result{Type: gjson.String, Str: id})
	if c.q.Order[0].Descending {
		for i := tie; i < len(c.key); i++ {
			c.key[i] = ^c.key[i]
		}
	}
	most := sortMost
	if c.q.Limit >= 0 {
		most = min(c.skip, sortMost+1) + min(c.q.Limit, sortMost+1) // they may be as large as integers are
	}
	switch {
	case most > sortMost, c.q.Limit < 0 && len(c.first) == sortMost:
		return &LimitError{"more than %d documents would have to be sorted; give a limit, or narrow the query", sortMost, Fixed}
	case most == 0:
	case len(c.first) < most:
		key := bytes.Clone(c.key)
		c.keys += cap(key)
		heap.Push(&c.first, match{key, id, c.keep(text)})
	case bytes.Compare(c.key, c.first[0].key) < 0:
		was := c.first[0]
		c.kept -= len(was.text)
		c.first[0] = match{append(was.key[:0], c.key...), id, c.keep(text)}
		c.keys += cap(c.first[0].key) - cap(was.key)
		heap.Fix(&c.first, 0)
	}
	if c.keys > sortBytes {
		return &LimitError{"the values to sort by would take more than %d bytes; sort by fewer fields, or give a smaller limit", sortBytes, Fixed}
	}
	return nil
}

// keep is the text if it stays and there is room, else nil.
func (c *collector) keep(text []byte) []byte {
	if !c.owned || c.kept+len(text) > keptBytes {
		return nil
	}
	c.kept += len(text)
	return text
}

// end completes the answer.
func (c *collector) end() error {
	if c.q.Total && c.q.Where != nil {
		c.r.Total = c.matched
	}
	if c.sorted {
		return nil
	}
	slices.SortFunc(c.first, func(a, b match) int { return bytes.Compare(a.key, b.key) })
	for _, m := range c.first[min(c.skip, len(c.first)):] {
		text := m.text
		if text == nil {
			var err error
			if text, err = c.view.Row(documentKey(c.name, m.id)); err != nil {
				return err
			}
			if err = c.spend(int64(max(len(text), leastWork))); err != nil {
				return err
			}
		}
		if err := c.show(text); err != nil {
			return err
		}
	}
	return nil
}

// match is a document that may be in the answer.
type match struct {
	key  []byte
	id   string
	text []byte // nil: it is to be read again
}

// firsts are matches, the last of them in the order asked for on top.
type firsts []match

func (f firsts) Len() int           { return len(f) }
func (f firsts) Less(i, j int) bool { return bytes.Compare(f[i].key, f[j].key) > 0 }
func (f firsts) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }

// Push is the heap's.
func (f *firsts) Push(m any) { *f = append(*f, m.(match)) }

// Pop is the heap's; none is ever taken away.
func (f *firsts) Pop() any { return nil }
