// Package streams keeps databases of event streams, after Persistr's model: a database holds namespaces, a
// namespace streams, a stream events. It knows neither HTTP nor passwords.
//
// A database is a space of the log, $db/NAME, kept until it is deleted; what else belongs to it (grants,
// namespaces, annotations) are rows of the same store, changed in the same commit as events. So neither can
// exist without the other.
//
// Names that /realtime does not allow are mapped, reversibly: see names.go. A record holds the mapped ones.
//
// What databases hold is counted against bounds, in budget.go: bytes are charged before they are stored, so that many at
// once go no further than one, and counted from the store at the start. A name that was given up is kept, in retired.go,
// so that no grant comes to mean another database.
//
// Reads that look at much take a slot of Catalog.looks, behind Database.using, and wait for nothing but the log while they
// have it.
//
// Lock order: Catalog.cloning, Database.using, Database.annotating, Catalog.changing, Catalog.mu. All but the last are held
// while the log commits, using for as long as a clone or an edit of many events takes; so nobody who holds changing waits
// for it. Appends and reads hold using for reading, whatever takes away or renames holds it for writing: so no event is
// appended to what is being deleted.
package streams
