package directus

import (
	"time"

	"sluice/store/pause"
)

// Due returns when Tick has something to do.
func (c *conn) Due() time.Time {
	due := c.nextBeat
	if !c.authSet.IsZero() {
		due = earlier(due, c.authSet.Add(c.h.o.AuthTimeout))
	}
	if c.who != nil && !c.who.Expires.IsZero() {
		due = earlier(due, c.who.Expires)
	}
	return due
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Tick does what is due: the end of the identity, of the time to authenticate, and the pings.
func (c *conn) Tick(now time.Time) (bool, error) {
	if c.who != nil && c.over() {
		c.expire()
	}
	if !c.authSet.IsZero() && now.Sub(c.authSet) >= c.h.o.AuthTimeout {
		if err := c.authTimedOut(); err != nil {
			return true, err
		}
	}
	if !now.Before(c.nextBeat) {
		if c.nextBeat = c.nextBeat.Add(c.h.o.Heartbeat); c.nextBeat.Before(now) {
			c.nextBeat = now.Add(c.h.o.Heartbeat)
		}
		if err := c.beat(); err != nil {
			return true, err
		}
	}
	if c.limiter != nil && c.limiter.TokensAt(now) >= connectionRate {
		c.limiter = nil // the next message finds a full one again
	}
	return len(c.out) > 0, nil
}

// busy defines a slow reader: writes to the client have waited for a heartbeat divided by busy.
const busy = 8

// beat sends a ping to an authenticated client, and ends the connection if the client has not answered the last one. A
// client for which writes have waited recently reads slowly, and finds the last ping only after everything before it. It
// gets more beats, the more the longer writes have waited.
func (c *conn) beat() error {
	// After a late tick (a stop, or a long answer) the next comes soon, so the client has not had its time to answer yet.
	if !c.lastPing.IsZero() && time.Since(c.lastPing) < c.h.o.Heartbeat/2 {
		return nil
	}
	received, reads := c.received, c.stalled > c.h.o.Heartbeat/busy
	c.received = false
	c.stalled /= 2
	if !c.lastPing.IsZero() && !received && !reads && !pause.Since(c.lastPing) {
		return errSilent
	}
	if c.lastPing = (time.Time{}); c.who == nil {
		return nil
	}
	c.lastPing = time.Now()
	c.send([]byte(`{"type":"ping"}`))
	return nil
}

// startAuthTime gives the client AuthTimeout to authenticate.
func (c *conn) startAuthTime() { c.authSet = time.Now() }

// authTimedOut handles the end of that time. If the process itself stood still meanwhile, the client gets the time again.
func (c *conn) authTimedOut() error {
	if pause.Since(c.authSet) {
		c.startAuthTime()
		return nil
	}
	c.authSet = time.Time{}
	if !c.hasAuthenticated {
		return c.refuseHandshake()
	}
	c.h.o.Traffic.Refused(doorName, codeAuthTimeout)
	c.send(problem(typeAuth, authTimeout(), ""))
	if c.h.o.Mode == Public {
		return nil
	}
	return errAuth
}
