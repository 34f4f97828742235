// Package restdb is the door for RestDB.io's clients: collections of JSON documents by REST. It reads their queries
// (q, h and the plain parameters) into those of store/documents/query, by MongoDB's rules, and their update operators
// into functions over one document, which the store calls under the document's lock. docs/documents-restdb.md has its
// use.
//
// Invariants: every answer is JSON, and an error's has a message, since the generated client parses each; what a
// client sends is bounded before a document is touched.
package restdb
