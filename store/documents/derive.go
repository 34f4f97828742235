package documents

import (
	"fmt"
	"strings"

	"sluice/store/eventlog"
)

// derive returns the index rows and the counts that follow from changes of documents. It is an eventlog.Derivation. It
// indexes documents that build has not reached yet too: build then writes the same rows again.
func (s *Store) derive(read func(key string) ([]byte, error), changes []eventlog.Derived) (rows []eventlog.Row, err error) {
	all := map[string]*counts{} // usually of one collection
	for i := range changes {
		d := &changes[i]
		collection, key, ok := strings.Cut(d.Key[len(rowDocument):], "/")
		if !ok {
			continue
		}
		c := all[collection]
		if c == nil {
			value, err := read(rowCounted + collection)
			if err != nil {
				return nil, err
			}
			if c, err = parseCounts(collection, value); err != nil {
				return nil, fmt.Errorf("the counts of %s: %w", collection, err)
			}
			all[collection] = c
		}
		c.change(d)
		rows = s.indexRows(rows, collection, key, d)
	}
	for _, c := range all {
		rows = append(rows, c.row())
	}
	return rows, nil
}

// indexRows appends the changes of a collection's indexes when a document changes. key is that of its id.
func (s *Store) indexRows(rows []eventlog.Row, collection, key string, d *eventlog.Derived) []eventlog.Row {
	for _, f := range s.indexes[collection] {
		var before, after string
		if d.Was != nil {
			before = string(f.AppendKey(nil, d.Was))
		}
		if d.Is != nil {
			after = string(f.AppendKey(nil, d.Is))
		}
		if before == after {
			continue
		}
		base := entries(collection, f)
		if d.Was != nil {
			rows = append(rows, eventlog.Row{Key: base + before + key})
		}
		if d.Is != nil {
			rows = append(rows, eventlog.Row{Key: base + after + key, Value: []byte(ID(d.Is))})
		}
	}
	return rows
}
