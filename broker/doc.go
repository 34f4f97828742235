// Package broker is fan-out: subscribers, their cursors, and what they share. It knows neither HTTP nor
// credentials.
//
// Every subscriber is a cursor on the log. At the head it reads frames that the hub encoded once,
// from a ring bounded in bytes that all share; behind it, it reads the log by itself in bounded
// steps until it is back. Subscribers with the same filter and the same frames share a view: the
// list of ring entries that match. Nobody has a queue, so a slow subscriber costs nothing and
// holds up nobody.
//
// Invariants: a cursor's position only grows; everything at or before it was handed to its writer
// or is not for it; a subscriber gets each matching event once, in order of ids, or a gap that
// says from where it goes on.
//
// Lock order: Broker.mu is the only lock. The log's tail calls deliver without any lock held; no
// call into the log is made with Broker.mu held.
package broker
