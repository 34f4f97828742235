package directus

import (
	"net/http"

	"sluice/auth"
	"sluice/auth/peer"
	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/handlers/writers"
)

// maxOrigin bounds the Origin that is kept; no key names one so long.
const maxOrigin = 512

// freeConnection is what a connection may hold without being charged, as most do: as much as its buffers take anyway.
const freeConnection = 16 << 10

// enter counts the connection in, as one of its credential or as one that has yet to authenticate.
func (c *conn) enter(who *auth.Identity) error {
	t := c.h.o.Traffic
	c.open.Leave = c.giveBack
	c.known.Store(who != nil) // before the first message is read, which may be long then
	if who == nil {
		if err := c.holdAs(nobody); err != nil {
			return err
		}
		root := c.root
		var err error
		if c.pending, err = t.EnterPending(c.open.From, func() { root.End(writers.Crowd) }); err != nil {
			root.Close()
			return err
		}
		c.account = t.Memory.AccountAbove(peer.Owner("", c.open.From), freeConnection)
		return nil
	}
	if over := t.EnterStream(who.Scope); over != nil {
		if over.Code != httperr.Draining {
			over = httperr.New(http.StatusForbidden, over.Code, "%s", over.Message)
		}
		return over
	}
	if err := c.holdAs(who); err != nil {
		t.LeaveStream(who.Scope)
		return err
	}
	c.scope = who.Scope
	c.account = t.Memory.AccountAbove(who.Scope, freeConnection)
	return nil
}

// giveBack gives back what enter has taken, for who the connection is now.
func (c *conn) giveBack() {
	c.account.Close()
	if c.pending != nil {
		c.h.o.Traffic.LeavePending(c.pending)
		return
	}
	c.h.o.Traffic.LeaveStream(c.scope)
}

// holdAs makes the connection known as somebody's, to those who list and end connections.
func (c *conn) holdAs(who *auth.Identity) error {
	open := *c.open
	open.Identity = who
	root, err := c.h.o.Broker.Subscribe(broker.Filter{Holder: &open}, c.group)
	if err != nil {
		return err
	}
	if c.root != nil {
		c.root.Close()
	}
	open.Subscriber = root
	c.open, c.root = &open, root
	return nil
}

// leave gives all back.
func (c *conn) leave() {
	c.unwatch()
	for _, one := range c.subs {
		c.end(one)
	}
	c.root.Close()
}
