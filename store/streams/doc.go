// Package streams stores databases of event streams, after Persistr's model: a database has namespaces, a namespace has
// streams, a stream has events. It knows neither HTTP nor passwords.
//
// A database is a space of the log, $db/NAME, and is kept until it is deleted. Its grants, namespaces and annotations
// are rows of the same store, changed in the same commit as events. So neither can exist without the other.
//
// Names that /realtime does not allow are mapped, reversibly: see names.go. A record has the mapped names.
//
// The memory follows the rows (open.go). All changes are made in the same way: read the row, append the change with the
// condition that the row is as it was read, and begin again if it is not. So catalogs of several processes can share a
// log, and no lock is held while the log commits. Every append has the condition that the database's row has not changed.
// Whatever destroys, renames or edits a database changes that row, so no event comes into what is being deleted.
// editing.go does this for edits of many commits.
//
// budget.go counts what databases take against bounds. Bytes are charged before they are stored, so that many requests
// at once cannot exceed a bound. At the start, and from time to time, they are counted from the store. A process does not
// know what others are about to store, so several processes together may exceed a bound. retired.go remembers names that
// were given up, so that no grant ever applies to another database.
//
// Reads that look at much take a slot of Catalog.looks. While they have it, they wait for nothing but the log.
//
// Lock order: the log's lock of a commit, Catalog.mu. A clone has Catalog.cloning meanwhile, so that one runs at a time.
package streams
