package documents

import (
	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
	"sluice/store/eventlog"
	"sluice/store/rows"
)

// The keys of rows. A document's key is its collection and the key of its id, so the documents are an index on _id. The
// key of an index row is collection, field, the key of the document's value, and the key of its id. The row's value is
// the id.
const (
	rowDocument = rows.Document
	rowIndex    = rows.Index
	rowBuilt    = rows.Indexed
)

func idKey(id string) []byte {
	return query.AppendKey(nil, gjson.Result{Type: gjson.String, Str: id})
}

func documentKey(collection, id string) string { return documents(collection) + string(idKey(id)) }

// documents is the prefix of the keys of a collection's documents.
func documents(collection string) string { return rowDocument + collection + "/" }

// entries is the prefix of the keys of an index.
func entries(collection string, f query.Field) string {
	return rowIndex + collection + "/" + f.String() + "\x00"
}

// end is the least key after all keys with a prefix. The last byte of the prefix must not be 0xFF.
func end(prefix string) string {
	return prefix[:len(prefix)-1] + string(prefix[len(prefix)-1]+1)
}

// indexRows appends the changes of a collection's indexes when a document changes from was to is; nil means no
// document.
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
