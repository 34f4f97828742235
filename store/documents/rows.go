package documents

import (
	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
	"sluice/store/eventlog"
)

// Rows: a document lies under its collection and the key of its id, so that documents are an index on _id. A row of
// an index lies under collection, field, the key of the document's value, and the key of its id, which is its value
// too.
const (
	rowDocument = "document/"
	rowIndex    = "index/"
	rowBuilt    = "indexed/" // collection/field: the index is whole
)

func idKey(id string) []byte {
	return query.AppendKey(nil, gjson.Result{Type: gjson.String, Str: id})
}

func documentKey(collection, id string) string { return documents(collection) + string(idKey(id)) }

// documents is what the keys of a collection's documents begin with.
func documents(collection string) string { return rowDocument + collection + "/" }

// entries is what the keys of an index begin with.
func entries(collection string, f query.Field) string {
	return rowIndex + collection + "/" + f.String() + "\x00"
}

// end follows all keys with a prefix that ends in neither 0xFF.
func end(prefix string) string {
	return prefix[:len(prefix)-1] + string(prefix[len(prefix)-1]+1)
}

// indexRows are what has to be written to the indexes of a collection when was becomes is; nil stands for none.
func (s *Store) indexRows(rows []eventlog.Row, collection, id string, was, is []byte) []eventlog.Row {
	for _, f := range s.indexes[collection] {
		var before, after string
		if was != nil {
			before = string(f.AppendKey(nil, was))
		}
		if is != nil {
			after = string(f.AppendKey(nil, is))
		}
		if before == after {
			continue
		}
		base, key := entries(collection, f), string(idKey(id))
		if was != nil {
			rows = append(rows, eventlog.Row{Key: base + before + key})
		}
		if is != nil {
			rows = append(rows, eventlog.Row{Key: base + after + key, Value: []byte(id)})
		}
	}
	return rows
}
