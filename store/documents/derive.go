package documents

import (
	"slices"
	"strings"

	"sluice/store/eventlog"
)

// derive returns the index rows and the counts that follow from changes of documents. It is an eventlog.Derivation. It
// indexes documents that build has not reached yet too: build then writes the same rows again.
func (s *Store) derive(read func(key string) ([]byte, error), changes []eventlog.Derived) (rows []eventlog.Row, err error) {
	var room [1]counts // usually all are of one collection
	all := room[:0]
	rows = make([]eventlog.Row, 0, len(changes)+1)
	for i := range changes {
		d := &changes[i]
		collection, key, ok := strings.Cut(d.Key[len(rowDocument):], "/")
		if !ok {
			continue
		}
		rows = s.indexRows(rows, collection, key, d)
		grows := growth(d)
		if grows == (totals{}) { // as of many updates: spares a look-up and a row
			continue
		}
		at := slices.IndexFunc(all, func(c counts) bool { return c.collection() == collection })
		if at < 0 {
			row := rowCounted + collection
			value, err := read(row)
			if err != nil {
				return nil, err
			}
			c, err := parseCounts(row, value)
			if err != nil { // the log would try forever; the next start counts anew
				continue
			}
			at, all = len(all), append(all, c)
		}
		all[at].add(d.Key, grows)
	}
	for i := range all {
		rows = append(rows, all[i].row())
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
