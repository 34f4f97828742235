package handlers

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"sluice/auth/peer"
)

// Bounds of the connections that have not sent their request head, or not finished the TLS handshake. Each may take 128
// KiB for a head. Most heads arrive at once, so only connections that have had time to send one are closed.
const (
	maxHeadsPerAddress = 256
	headTime           = time.Second
)

// Heads bounds the connections that wait for a request head, in total and for each address. If an address has too many,
// its oldest is closed. If there are too many in total, the oldest of the address with the most is closed. State is for
// http.Server's ConnState.
type Heads struct {
	max     int
	mu      sync.Mutex // a leaf
	waiting map[net.Conn]*head
	by      map[string][]*head // the oldest first; only addresses with a waiting connection
}

type head struct {
	conn    net.Conn
	network string
	since   time.Time
}

// NewHeads makes the bounds. limit is for all connections together.
func NewHeads(limit int) *Heads {
	return &Heads{max: limit, waiting: map[net.Conn]*head{}, by: map[string][]*head{}}
}

// State follows a connection from its beginning until its first request head has arrived, or the connection is gone.
func (h *Heads) State(c net.Conn, state http.ConnState) {
	progress, secure := progressOf(c)
	if progress != nil && (state != http.StateIdle || !overHTTP2(c)) {
		progress.State(state, secure)
	}
	if state != http.StateNew {
		if progress == nil || progress.waits { // else all requests would share the lock
			h.remove(c)
		}
	}
	if progress != nil {
		progress.waits = state == http.StateNew
	}
	if state != http.StateNew {
		return
	}
	if old := h.add(c, time.Now()); old != nil {
		_ = old.Close() // it may be gone
	}
}

// overHTTP2 reports whether a connection speaks HTTP/2. HTTP/2 bounds its heads itself, and the bytes that it reads
// between requests are not a head.
func overHTTP2(c net.Conn) bool {
	secure, ok := c.(*tls.Conn)
	return ok && secure.ConnectionState().NegotiatedProtocol == "h2"
}

// hostOf returns an address without its port.
func hostOf(address net.Addr) string {
	host, _, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String()
	}
	return host
}

// add adds a connection. It returns the connection to close, if any.
func (h *Heads) add(c net.Conn, now time.Time) net.Conn {
	one := &head{c, peer.Network(hostOf(c.RemoteAddr())), now}
	h.mu.Lock()
	defer h.mu.Unlock()
	crowd := one.network
	full := len(h.by[crowd]) >= maxHeadsPerAddress
	if !full && len(h.waiting) >= h.max {
		crowd, full = h.crowded(), true
	}
	h.waiting[c] = one
	h.by[one.network] = append(h.by[one.network], one)
	if !full || now.Sub(h.by[crowd][0].since) < headTime {
		return nil
	}
	old := h.by[crowd][0]
	h.drop(old)
	return old.conn
}

// crowded returns the address with the most waiting connections.
func (h *Heads) crowded() (fullest string) {
	for network, list := range h.by {
		if len(list) > len(h.by[fullest]) {
			fullest = network
		}
	}
	return fullest
}

func (h *Heads) remove(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if one := h.waiting[c]; one != nil {
		h.drop(one)
	}
}

func (h *Heads) drop(one *head) {
	delete(h.waiting, one.conn)
	list := h.by[one.network]
	at := slices.Index(list, one)
	if h.by[one.network] = slices.Delete(list, at, at+1); len(list) == 1 {
		delete(h.by, one.network)
	}
}
