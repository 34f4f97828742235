// Package persistr is the door for Persistr's client (@persistr/js 4.5): databases of event streams over HTTP and JSON,
// and feeds of them as Server-Sent Events. docs/event-streams.md describes its use; store/streams is the model behind it.
//
// Invariants: A feed always answers with 200 and reports failures inside the stream, since the client crashes on any other
// status there. A feed ends when its account, key or database does.
//
// Lock order: feeds.mu is a leaf.
package persistr
