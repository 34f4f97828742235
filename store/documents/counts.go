package documents

import (
	"encoding/binary"
	"errors"
	"fmt"

	"sluice/store/eventlog"
)

// totals are a number of documents and their bytes.
type totals struct{ count, bytes int64 }

func (t totals) plus(more totals) totals { return totals{t.count + more.count, t.bytes + more.bytes} }

func (t totals) minus(less totals) totals { return totals{t.count - less.count, t.bytes - less.bytes} }

// counts are the totals of one collection as its row in rowCounted has them: two uvarints, and next. A collection
// without a row has no documents, except in a folder of a version that did not count: see countNew.
type counts struct {
	totals
	key  string // of the row
	next string // the first key of a document that is not counted yet; "": all are counted
}

func (c *counts) collection() string { return c.key[len(rowCounted):] }

var errCounts = errors.New("the row is damaged; a restart counts the documents again")

// parseCounts reads a row. If it cannot, it returns counts of nothing too.
func parseCounts(key string, value []byte) (counts, error) {
	c := counts{key: key}
	if value == nil {
		return c, nil
	}
	count, n := binary.Uvarint(value)
	if n <= 0 {
		return c, fmt.Errorf("%s: %w", key, errCounts)
	}
	bytes, m := binary.Uvarint(value[n:])
	if m <= 0 {
		return c, fmt.Errorf("%s: %w", key, errCounts)
	}
	c.totals, c.next = totals{int64(count), int64(bytes)}, string(value[n+m:])
	return c, nil
}

// row returns the row that has the counts.
func (c *counts) row() eventlog.Row {
	r := eventlog.Row{Key: c.key}
	if c.count > 0 || c.next != "" {
		b := make([]byte, 0, 16+len(c.next))
		r.Value = append(binary.AppendUvarint(binary.AppendUvarint(b, uint64(c.count)), uint64(c.bytes)), c.next...)
	}
	return r
}

// add counts the change of one document. It skips one that is not counted yet: whoever counts will get to it.
func (c *counts) add(key string, grows totals) {
	if c.next == "" || key < c.next {
		c.totals = c.plus(grows)
	}
}

// growth is by how much the change of one document makes its collection grow.
func growth(d *eventlog.Derived) (t totals) {
	if d.Was != nil {
		t = totals{-1, -int64(len(d.Was))}
	}
	if d.Is != nil {
		t = t.plus(totals{1, int64(len(d.Is))})
	}
	return t
}
