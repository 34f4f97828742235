// Package documents keeps collections of JSON documents whose changes are events of /realtime.
//
// A document is a row of the log's store, and each change of it one commit with its event (post, put, delete) and its
// rows in the indexes: none exists without the others, after any kill. The event's Data is what /realtime tells (the
// document, its id, the ids that are gone); its Meta holds the documents for doors that show more: see Changed.
//
// Rows are not history: no retention takes them away.
//
// A document's text is compact JSON: _id first, the client's own fields in their order, then the metafields.
//
// Who changes a document holds its shard, so that writers queue instead of racing; the condition on the row as it was
// read stays as the guard, since a writer whose outcome is unknown may still be stored after it let go.
//
// Lock order: shards ascending, collection.using, Store.mu. Shards and using are held while the log commits, Store.mu
// never; its holder takes using too, but never waits for it. A query holds none of them.
package documents
