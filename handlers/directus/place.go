package directus

import (
	"net/http"

	"sluice/auth"
	"sluice/handlers/httperr"
)

// maxOrigin bounds the Origin that is kept; no key names one so long.
const maxOrigin = 512

// freeConnection is what a connection may hold without being charged, as most do: as much as its buffers take anyway.
const freeConnection = 16 << 10

// enter counts the connection in, as one of its credential or as one that has yet to authenticate.
func (c *conn) enter(who *auth.Identity) error {
	l := c.lease
	c.known.Store(who != nil) // before the first message is read, which may be long then
	if who == nil {
		if err := l.EnterPending(c.group); err != nil {
			return err
		}
	} else {
		if over := l.Enter(); over != nil {
			if full := httperr.From(over); full.Code != httperr.Draining {
				return httperr.New(http.StatusForbidden, full.Code, "%s", full.Message)
			}
			return over
		}
		if err := l.SubscribeAs(who, c.group); err != nil {
			return err
		}
	}
	c.account = l.Account(freeConnection)
	l.Hold(c)
	return nil
}

// Release gives back what the connection has beside its lease.
func (c *conn) Release() {
	c.unwatch()
	for _, one := range c.subs {
		c.end(one)
	}
}
