// Package realtime is the main door: GET and POST /realtime, contract sections 2 to 5.
//
// subscribe.go and publish.go are the two handlers; params.go, decode.go and split.go read what a
// client sent; writer.go takes over a stream's connection. Handlers are thin: they turn a request
// into a grant, a filter or events, and leave the rest to auth and broker.
//
// Lock order: limits.mu and gate.mu are leaves; neither is held across a call.
package realtime
