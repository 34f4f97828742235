// Package persistr is the door for Persistr's client (@persistr/js 4.5): databases of event streams by HTTP and
// JSON, read by Server-Sent Events. docs/event-streams.md has its use, store/streams what it serves.
//
// Invariants: a feed is answered with 200 whatever happens, and failures are told in it, since the client dies of
// any other status there; a feed ends once its account, key or database does.
//
// Lock order: feeds.mu is a leaf.
package persistr
