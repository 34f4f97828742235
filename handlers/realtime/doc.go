// Package realtime is the main door, GET and POST /realtime; docs/protocol.md specifies it.
//
// subscribe.go and publish.go have the two handlers. params.go, decode.go and split.go read what a client sent, and
// history.go the range that it asks for. A handler turns a request into a grant, a filter or events, and leaves the rest
// to auth and broker.
package realtime
