package documents

// DocumentKey is the key of a document's row.
var DocumentKey = documentKey
