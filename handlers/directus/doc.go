// Package directus is the door for Directus' clients (@directus/sdk 18 to 26): collections of items over a WebSocket and
// by REST. docs/documents-directus.md describes its use. The door translates query objects, in both of their spellings,
// into the queries of store/documents/query, by SQL's rules.
//
// An item's id is the _id of the stored document. Only this package translates the names, so the store knows nothing of
// them.
package directus
