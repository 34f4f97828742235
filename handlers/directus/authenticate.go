package directus

import (
	"context"
	"net/http"
	"time"

	"github.com/tidwall/gjson"

	"sluice/auth"
	"sluice/auth/grant"
	"sluice/handlers/audit"
	"sluice/handlers/httperr"
)

// authenticate handles an auth message: with a key or a token, with email and password, or with a refresh token.
func (c *conn) authenticate(ctx context.Context, m *message) error {
	who, refresh, err := c.credential(ctx, m)
	if err == nil {
		err = c.lease.Authenticate(who, c.group)
	}
	if err != nil {
		c.clearIdentity()
		e := httperr.From(err)
		c.refused(e)
		if status, _ := wire(e); status == http.StatusServiceUnavailable { // temporary, and not the credential's fault
			c.send(problem(typeAuth, e, m.uid))
			return errFull
		}
		c.send(problem(typeAuth, httperr.New(http.StatusUnauthorized, codeAuthFailed, "Authentication failed: %v.", e), m.uid))
		if c.h.o.Mode == Public {
			return nil
		}
		return errAuth
	}
	ok := []byte(`{"type":"auth","status":"ok"`)
	if m.uid != "" {
		ok = append(append(ok, `,"uid":`...), m.uid...)
	}
	if refresh != "" {
		ok = gjson.AppendJSONString(append(ok, `,"refresh_token":`...), refresh)
	}
	c.setIdentity(who)
	c.send(append(ok, '}'))
	return c.regrant(ctx)
}

// refused counts a refused auth message. If the credential was the reason, the audit trail records it.
func (c *conn) refused(e *httperr.Error) {
	c.h.o.Traffic.Refused(doorName, e.Code)
	if e.Status == http.StatusUnauthorized || e.Code == auth.TooManyTries {
		c.h.o.Trail.Refused(audit.Entry{Action: audit.CredentialRefuse, From: c.lease.From, Door: doorName, Outcome: e.Code})
	}
}

// credential finds the identity of an auth message, and the refresh token to answer with.
func (c *conn) credential(ctx context.Context, m *message) (who *auth.Identity, refresh string, err error) {
	var s *auth.Session
	token := m.Get("access_token").Str
	switch {
	case token != "":
	case m.has("email"):
		if s, err = c.h.o.Auth.Login(ctx, c.lease.From, m.Get("email").Str, m.Get("password").Str); err == nil {
			c.h.o.Trail.Record(audit.Entry{
				Action: audit.Login, Who: s.User, Kind: kindUser, From: c.lease.From, Door: doorName, RequestID: c.lease.RequestID,
			})
		}
	case m.has("refresh_token"):
		s, err = c.h.o.Auth.Refresh(ctx, c.lease.From, m.Get("refresh_token").Str)
	default:
		err = badPayload(`send an "access_token", "email" and "password", or a "refresh_token"`)
	}
	if err != nil {
		return nil, "", err
	}
	if s != nil {
		token, refresh = s.Access, s.Refresh
	}
	who, bad := c.h.o.Auth.Authenticate(ctx, auth.Carriers{Bearer: []string{token}, From: c.lease.From})
	if bad != nil {
		return nil, "", bad
	}
	if !who.OriginAllowed(c.origin) {
		return nil, "", httperr.ForeignOrigin()
	}
	return who, refresh, nil
}

// setIdentity sets the connection's identity, until the identity ends.
func (c *conn) setIdentity(who *auth.Identity) {
	c.dropWatch()
	c.who, c.hasAuthenticated = who, true
	c.authenticated.Store(true) // never false in between: the next message may begin at that moment
	c.authSet = time.Time{}
	if c.watches { // otherwise the writer's sweep looks
		c.unwatch = who.OnEnd(func(grant.End) { c.group.Kick() })
	}
}

func (c *conn) dropWatch() {
	if c.unwatch != nil {
		c.unwatch()
		c.unwatch = nil
	}
}

// clearIdentity drops the identity. Subscriptions stay at their cursors until the client authenticates again.
func (c *conn) clearIdentity() {
	c.dropWatch()
	c.who = nil
	c.authenticated.Store(false)
}

// over reports whether the identity has ended.
func (c *conn) over() bool {
	return c.who.Ended() != "" || !c.who.Expires.IsZero() && !time.Now().Before(c.who.Expires)
}

// expire ends the identity because its time is over, or its key or token was revoked or changed.
func (c *conn) expire() {
	c.h.o.Traffic.Refused(doorName, codeTokenExpired)
	c.clearIdentity()
	c.startAuthTime()
	c.send(problem(typeAuth, httperr.New(http.StatusUnauthorized, codeTokenExpired, "Token expired."), ""))
}

func authTimeout() *httperr.Error {
	return httperr.New(http.StatusUnauthorized, codeAuthTimeout, "Authentication timed out.")
}

func (c *conn) refuseHandshake() error {
	c.h.o.Traffic.Refused(doorName, codeAuthFailed)
	c.send(problem(typeAuth, httperr.New(http.StatusUnauthorized, codeAuthFailed, "Authentication handshake failed."), ""))
	return errAuth
}
