// Package documents stores collections of JSON documents. Each change of a document is an event of /realtime.
//
// A document is a row of the log's store. A change is one commit with its event (post, put, delete) and its rows in the
// indexes. After a kill either all of them exist or none. The event's Data is what /realtime shows: the document, its
// id, or the ids that are gone. Its Meta has the documents for doors that show more: see Changed.
//
// Rows are no history: retention never removes them.
//
// A document's text is compact JSON: _id, then the client's own fields in their order, then the metafields.
//
// A writer locks the shards of its documents, so writers queue instead of racing. Each change also has a condition on
// the row as it was read. That is needed because a change with an unknown outcome may be stored after its writer has
// unlocked.
//
// Lock order: shards ascending, collection.using, Store.mu. Shards and using are locked while the log commits, Store.mu
// never. A goroutine with Store.mu may take using, but never waits for it. A query takes none of them.
package documents
