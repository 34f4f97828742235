package documents

import (
	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
	"sluice/store/rows"
)

// The keys of rows. A document's key is its collection and the key of its id, so the documents are an index on _id. The
// key of an index row is collection, field, the key of the document's value, and the key of its id. The row's value is
// the id. Only documents are in requests: index rows and counts are derived from them. See Store.derive.
const (
	rowDocument = rows.Document
	rowIndex    = rows.Index
	rowBuilt    = rows.Indexed
	rowCounted  = rows.Counted
)

func documentKey(collection, id string) string {
	b := make([]byte, 0, len(rowDocument)+len(collection)+len(id)+8) // each change and each found document needs a key
	b = append(append(append(b, rowDocument...), collection...), '/')
	return string(query.AppendKey(b, gjson.Result{Type: gjson.String, Str: id}))
}

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
