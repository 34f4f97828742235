// Package directus is the door for Directus' clients (@directus/sdk 18 to 26): collections of items over a WebSocket
// and by REST. It reads their query objects, in both spellings, into those of store/documents/query, by SQL's rules.
//
// An item's id is the stored document's _id; names are changed here, so that the store knows nothing of it.
package directus
