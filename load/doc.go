// Package load puts load on a gateway, or on any other server that accepts events by POST and sends them as Server-Sent
// Events. It checks that every subscriber gets each event once and in order. The subscribers are plain sockets that one
// goroutine reads, so that the generator takes little CPU from the server on the same machine. They read event streams over
// HTTP/1.1 or HTTP/2, and WebSockets, in clear text or over TLS. Publishers always use HTTP/1.1.
//
// Every event has a marker with its run, channel, publisher, number and time. The generator finds the marker in the bytes
// that arrive, whatever the server puts around it. If a server sends only the news that something has changed, the
// generator counts those (Options.Count).
//
// It sends only to loopback addresses, and limits all counts and times. It needs Linux.
package load
