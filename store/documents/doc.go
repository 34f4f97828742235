// Package documents stores collections of JSON documents. Each change of a document is an event of /realtime.
//
// A document is a row of the log's store. A change is one commit with its event (post, put, delete), its rows in the
// indexes and the counts of its collection. After a kill either all of them exist or none. Requests have only documents
// and events; index rows and counts are derived from them when the log applies the request. The event's Data is what
// /realtime shows: the document, its id, or the ids that are gone. Its Meta has the documents for doors that show more:
// see Changed.
//
// Rows are no history: retention never removes them.
//
// A document's text is compact JSON: _id, then the client's own fields in their order, then the metafields.
//
// Others may write to the same log: another Store, or a change with an unknown outcome. So each change has a condition
// on the row as it was read, and is tried again with the new row if that fails. A writer locks the shards of its
// documents, so writers of one Store queue instead of racing.
//
// Lock order: shards ascending, the log's, Store.mu. Shards are locked while the log commits, Store.mu never. A query
// takes none of them.
package documents
