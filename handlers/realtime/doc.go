// Package realtime is the main door, GET and POST /realtime; docs/protocol.md specifies it.
//
// subscribe.go and publish.go have the two handlers. params.go, decode.go and split.go read what a client sent, history.go
// the range that it asks for, and spaces.go prepares events for databases. A handler turns a request into a grant, a filter
// or events, and leaves the rest to auth, broker, writers and the log. It has no locks.
package realtime
