package directus

import (
	"net/http"
	"slices"

	"sluice/auth"
	"sluice/handlers/httperr"
)

// maxOrigin bounds the Origin that a connection stores; no key has a longer one.
const maxOrigin = 512

// freeConnection is the number of bytes that a connection may use without a charge. Its buffers take as much in any
// case, and most connections stay below it.
const freeConnection = 16 << 10

// enter admits the connection: under its credential, or as one that has yet to authenticate.
func (c *conn) enter(who *auth.Identity) error {
	l := c.lease
	c.authenticated.Store(who != nil) // before the first message is read: with a credential it may be long
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

// Release releases what the connection has in addition to its lease.
func (c *conn) Release() {
	c.dropWatch()
	for _, one := range slices.Clone(c.subs) {
		c.end(one)
	}
}
