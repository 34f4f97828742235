package documents

import (
	"bytes"
	"container/heap"
	"errors"
	"slices"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// errMany means that a scan is cheaper than an index, as it leads to too many documents: a row found by its key takes 10 to 40
// µs, a scanned one 1 to 3 µs.
var errMany = errors.New("too many documents for the index")

// maxIndexReads is the most documents that a query reads through an index.
const maxIndexReads = 2000

// find answers a query. It tries an index that narrows the query, then one that has its order, then a scan.
func (ex *execution) find(q *Query, r *Result) error {
	for _, f := range ex.store.indexes[ex.name] {
		if _, byIndex := q.Where.Ranges(f.String()); !byIndex {
			continue
		}
		if err := ex.byIndex(f, q, r); !errors.Is(err, errMany) {
			return err
		}
	}
	if f, ok := ex.ordered(q); ok {
		if err := ex.byIndexOrder(f, q, r); !errors.Is(err, errMany) {
			return err
		}
	}
	backwards, byID := idOrder(q.Order)
	c := ex.collect(q, r, byID)
	if err := ex.scan(q.Where, backwards, c.add); err != nil {
		return err
	}
	return c.end()
}

// idOrder reports whether an order is that of ids, and in which direction.
func idOrder(o query.Order) (backwards, ok bool) {
	if len(o) == 0 {
		return false, true
	}
	return o[0].Descending, o[0].Field.String() == "_id"
}

// ordered returns an index that has the query's order, if the query wants only the first documents.
func (ex *execution) ordered(q *Query) (query.Field, bool) {
	if len(q.Order) != 1 || q.Limit < 0 || q.Total && q.Where != nil || q.Order[0].Field.Subscripts() {
		return query.Field{}, false
	}
	for _, f := range ex.store.indexes[ex.name] {
		if f.String() == q.Order[0].Field.String() {
			return f, true
		}
	}
	return query.Field{}, false
}

// byIndex answers from the documents that an index leads to, in order of their ids.
func (ex *execution) byIndex(f query.Field, q *Query, r *Result) error {
	var found []string
	base := entries(ex.name, f)
	err := ex.ranges(q.Where, f.String(), base, false, func(from, to string) (bool, error) {
		err := ex.view.Scan(from, to, false, func(_, id []byte) (bool, error) {
			if len(found) == maxIndexReads {
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
	c := ex.collect(q, r, byID)
	c.owned = true
	for _, id := range found {
		if on, err := ex.fetch(id, q.Where, c.add); err != nil || !on {
			return err
		}
	}
	return c.end()
}

// byIndexOrder answers by reading an index in its order.
func (ex *execution) byIndexOrder(f query.Field, q *Query, r *Result) error {
	base := entries(ex.name, f)
	reached, backwards := 0, q.Order[0].Descending
	c := ex.collect(q, r, true)
	c.owned = true
	err := ex.ranges(q.Where, f.String(), base, backwards, func(from, to string) (bool, error) {
		on := true
		err := ex.view.Scan(from, to, backwards, func(key, id []byte) (_ bool, err error) {
			if reached++; reached > maxIndexReads || q.Order[0].Unordered(key[len(base):]) {
				return false, errMany // or the index has no exact order here
			}
			on, err = ex.fetch(string(id), q.Where, c.add)
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

// fetch calls f with a document if it matches.
func (ex *execution) fetch(id string, where *query.Condition, f func(text []byte) (bool, error)) (bool, error) {
	text, err := ex.view.Row(documentKey(ex.name, id))
	if err == nil {
		err = ex.step(where, text)
	}
	if err != nil || text == nil || !where.Match(text) {
		return err == nil, err
	}
	return f(text)
}

// Bounds of an answer that must be sorted: its documents, and the bytes of their sort keys.
const (
	maxSort   = 10_000
	sortBytes = 16 << 20
)

// sortTexts bounds the texts in memory of documents that may be in a sorted answer. Others are read again at the end.
const sortTexts = 1 << 20

// collector makes an answer of the documents that match.
type collector struct {
	*execution
	q         *Query
	r         *Result
	sorted    bool // the matches come in order
	owned     bool // the texts need no copy
	skip      int
	matched   int64
	key       []byte    // of the current match
	keys      int       // bytes of the keys in first
	textBytes int       // bytes of the texts in first
	first     matchHeap // if the matches are not in order: the best so far, the worst of them on top
}

func (ex *execution) collect(q *Query, r *Result, sorted bool) *collector {
	ex.answer.bytes = 0 // this may be the second try
	return &collector{execution: ex, q: q, r: r, sorted: sorted, skip: max(0, q.Skip)}
}

// add takes the next match. It reports whether the query wants more.
func (c *collector) add(text []byte) (bool, error) {
	c.matched++
	if !c.sorted {
		return true, c.addRanked(text)
	}
	if c.matched > int64(c.skip) && !c.full() {
		if !c.owned {
			text = bytes.Clone(text)
		}
		if err := c.addShown(text); err != nil {
			return false, err
		}
	}
	return !c.full() || c.q.Total && c.q.Where != nil, nil
}

func (c *collector) full() bool { return c.q.Limit >= 0 && len(c.r.Documents) >= c.q.Limit }

func (c *collector) addShown(text []byte) error {
	if err := c.answer.show(text); err != nil {
		return err
	}
	c.r.Documents = append(c.r.Documents, text)
	return nil
}

// addRanked adds a match to first if it is good enough.
func (c *collector) addRanked(text []byte) error {
	id := gjson.GetBytes(text, "_id").Str
	c.key = c.q.Order.AppendKey(c.key[:0], text)
	tie := len(c.key)
	c.key = query.AppendKey(c.key, gjson.Result{Type: gjson.String, Str: id})
	if c.q.Order[0].Descending {
		for i := tie; i < len(c.key); i++ {
			c.key[i] = ^c.key[i]
		}
	}
	most := maxSort
	if c.q.Limit >= 0 {
		most = min(c.skip, maxSort+1) + min(c.q.Limit, maxSort+1) // min first: the sum of the numbers as sent could overflow
	}
	switch {
	case most > maxSort, c.q.Limit < 0 && len(c.first) == maxSort:
		return &LimitError{"more than %d documents would have to be sorted; give a limit, or narrow the query", maxSort, Fixed}
	case most == 0:
	case len(c.first) < most:
		key := bytes.Clone(c.key)
		c.keys += cap(key)
		heap.Push(&c.first, match{key, id, c.textToKeep(text)})
	case bytes.Compare(c.key, c.first[0].key) < 0:
		was := c.first[0]
		c.textBytes -= len(was.text)
		c.first[0] = match{append(was.key[:0], c.key...), id, c.textToKeep(text)}
		c.keys += cap(c.first[0].key) - cap(was.key)
		heap.Fix(&c.first, 0)
	}
	if c.keys > sortBytes {
		return &LimitError{"the values to sort by would take more than %d bytes; sort by fewer fields, or give a smaller limit", sortBytes, Fixed}
	}
	return nil
}

// textToKeep returns the text if it needs no copy and there is room for it, else nil.
func (c *collector) textToKeep(text []byte) []byte {
	if !c.owned || c.textBytes+len(text) > sortTexts {
		return nil
	}
	c.textBytes += len(text)
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
			if err = c.spend(int64(max(len(text), minWork))); err != nil {
				return err
			}
		}
		if err := c.addShown(text); err != nil {
			return err
		}
	}
	return nil
}

// match is a document that may be in the answer.
type match struct {
	key  []byte
	id   string
	text []byte // nil: must be read again
}

// matchHeap is a heap of matches with the last one in the order on top.
type matchHeap []match

func (f matchHeap) Len() int           { return len(f) }
func (f matchHeap) Less(i, j int) bool { return bytes.Compare(f[i].key, f[j].key) > 0 }
func (f matchHeap) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }

// Push implements heap.Interface.
func (f *matchHeap) Push(m any) { *f = append(*f, m.(match)) }

// Pop implements heap.Interface. Nothing calls it: no match is taken off the heap.
func (f *matchHeap) Pop() any { return nil }
