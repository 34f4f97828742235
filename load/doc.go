// Package load puts load on a gateway, or on anything else that takes events by POST and sends them as
// Server-Sent Events, and checks that every subscriber gets each event once and in order. Subscribers are bare
// sockets, all read by one goroutine, so that the generator takes little of a machine that it shares with what
// it measures.
//
// Every event carries a marker: which run, channel and publisher it is of, its number there, and when it was
// sent. Whatever the target wraps around it, the marker is found in the bytes that arrive. Of a target that tells
// only that something was changed, each telling is counted instead (Options.Count).
//
// It goes to loopback addresses only, and all its counts and times are bounded. Linux only.
package load
