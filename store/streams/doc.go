// Package streams stores databases of event streams, after Persistr's model: a database has namespaces, a namespace has
// streams, a stream has events. It knows neither HTTP nor passwords.
//
// A database is a space of the log, $db/NAME, and is kept until it is deleted. Its grants, namespaces and annotations
// are rows of the same store, changed in the same commit as events. So neither can exist without the other.
//
// Names that /realtime does not allow are mapped, reversibly: see names.go. A record has the mapped names.
//
// budget.go counts what databases take against bounds. Bytes are charged before they are stored, so that many requests
// at once cannot exceed a bound. At the start they are counted from the store. retired.go remembers names that were
// given up, so that no grant ever applies to another database.
//
// Reads that look at much take a slot of Catalog.looks, after Database.using. While they have it, they wait for nothing
// but the log.
//
// Lock order: Catalog.cloning, Database.using, Database.annotating, Catalog.changing, Catalog.mu. All but the last stay
// locked while the log commits. using stays locked for as long as a clone or an edit of many events takes, so nobody
// who has changing may wait for it. Appends and reads lock using for reading. Whatever removes or renames locks it for
// writing, so no event is appended to what is being deleted.
package streams
