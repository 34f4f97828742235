// Package restdb is the door for RestDB.io's clients: collections of JSON documents by REST. docs/documents-restdb.md
// describes its use.
//
// The door translates a client's queries (q, h and the plain parameters) into those of store/documents/query, by MongoDB's
// rules. It translates update operators into functions of one document, which the store calls while it has that document
// locked.
//
// Invariants: Every answer is JSON and every error has a message, since the generated client parses both. The door checks a
// client's input against the limits before it touches a document.
package restdb
