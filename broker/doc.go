// Package broker is fan-out: it delivers each event of the log to all subscribers that may see it. It knows neither HTTP
// nor credentials.
//
// Every subscriber is a cursor on the log. At the head it reads from the ring, which all subscribers share: there each
// event is encoded once, and the size is bounded in bytes. Behind the ring, it reads the log in bounded steps until it
// has caught up. Subscribers with the same filter and the same frames share a view: the list of ring entries that match.
// No subscriber has a queue, so a slow one costs nothing and delays nobody.
//
// Invariants:
//   - A cursor's position only grows.
//   - Everything at or before it was given to the subscriber's writer, or does not match.
//   - A subscriber gets each matching event once, in the order of ids, or a gap with the position where it goes on.
//
// Lock order: Broker.mu is the only lock. The log's tail calls deliver without a lock. No method of the log is called
// with Broker.mu locked.
package broker
