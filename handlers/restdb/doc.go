// Package restdb is the door for RestDB.io's clients: collections of JSON documents by REST. It reads their queries
// (q, h and the plain parameters) into those of broker/document/query, by MongoDB's rules.
package restdb
