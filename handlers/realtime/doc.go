// Package realtime is the main door: GET and POST /realtime, contract sections 2 to 5.
//
// subscribe.go and publish.go are the two handlers; params.go, decode.go and split.go read what a
// client sent; history.go finds the range of a request for the past, and spaces.go prepares events for
// databases. Handlers are thin: they turn a request into a grant, a filter or events, and leave the rest to
// auth, broker, writers and the log.
//
// It has no locks.
package realtime
