package handlers

import (
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// silent is a connection of an address that sends nothing.
type silent struct {
	net.Conn
	address string
	closed  bool
}

func (c *silent) RemoteAddr() net.Addr { return address(c.address) }

func (c *silent) Close() error {
	c.closed = true
	return nil
}

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

// TestHeads: of the connections of an address that send no request only some stay; who sends one at once is let in.
func TestHeads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHeads(2048)
		open := func(from string) *silent {
			c := &silent{address: from}
			h.State(c, http.StateNew)
			return c
		}
		var all []*silent
		for range maxHeadsPerAddress + 10 { // at once: they have had no time yet
			all = append(all, open("192.0.2.1:1"))
		}
		for i, c := range all {
			if c.closed {
				t.Fatalf("the %dth was closed at once", i)
			}
		}
		time.Sleep(headTime)
		good := open("192.0.2.1:2")
		if !all[0].closed || all[1].closed || good.closed {
			t.Error("the oldest of the address has to go, and only that")
		}
		h.State(good, http.StateActive)
		for i := range 2048 {
			open(net.JoinHostPort(net.IPv4(198, 51, byte(i>>8), byte(i)).String(), "1"))
		}
		time.Sleep(headTime)
		other := open("203.0.113.1:1")
		if closed(all) < 2 || other.closed {
			t.Error("the address with the most has to give way to another")
		}
		for c := range h.waiting {
			h.State(c, http.StateClosed)
		}
		h.State(good, http.StateClosed)
		if len(h.waiting)+len(h.by) != 0 {
			t.Errorf("left behind: %d, %d", len(h.waiting), len(h.by))
		}
	})
}

// TestHeadsThatAreThere: a connection whose request head is there counts no more, however many wait.
func TestHeadsThatAreThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHeads(2048)
		served, oldest := &silent{address: "192.0.2.1:1"}, &silent{address: "192.0.2.1:2"}
		h.State(served, http.StateNew)
		h.State(served, http.StateActive)
		h.State(oldest, http.StateNew)
		for range maxHeadsPerAddress - 1 {
			h.State(&silent{address: "192.0.2.1:3"}, http.StateNew)
		}
		time.Sleep(headTime)
		if oldest.closed {
			t.Error("there is room for one more")
		}
		h.State(&silent{address: "192.0.2.1:4"}, http.StateNew)
		if served.closed || !oldest.closed {
			t.Error("the oldest that waits has to go, and not who is served")
		}
	})
}

func closed(all []*silent) (n int) {
	for _, c := range all {
		if c.closed {
			n++
		}
	}
	return n
}
