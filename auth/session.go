package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth/grant"
	"sluice/auth/passwords"
	"sluice/auth/user"
)

// SessionTTL is how long the access token of a session is good.
const SessionTTL = 15 * time.Minute

// Session is what a user who signs in is given.
type Session struct {
	Access  string        // a token, which is taken wherever a key is
	Expires time.Time     // the end of the access token
	TTL     time.Duration // the same as a time from now
	Refresh string        // gives the next session, once
	User    string        // the email of who signed in
}

// Errors of Login, Refresh and Logout.
var (
	ErrBadLogin = user.ErrBadLogin  // of whatever is wrong with email, password or refresh token
	ErrBusy     = passwords.ErrBusy // too many sign in at once
)

// TriesError is the error of Login where too many passwords were wrong.
type TriesError = passwords.TriesError

var errNoSecret = errors.New("there is no secret to sign sessions with")

// Users are those who can sign in.
func (a *Authenticator) Users() *user.Store { return a.users }

// Login signs a user in, from an address.
func (a *Authenticator) Login(ctx context.Context, from, email, password string) (*Session, error) {
	return a.session(a.users.Login(ctx, from, email, password))
}

// Refresh gives the next access token for a refresh token, sent from an address. The token is worth nothing then:
// presented again, it ends the session and all its tokens.
func (a *Authenticator) Refresh(ctx context.Context, from, token string) (*Session, error) {
	s, err := a.session(a.users.Refresh(ctx, token))
	if errors.Is(err, ErrBadLogin) {
		if wait := a.guesses.Wrong(from); wait > 0 {
			return nil, &TriesError{After: wait}
		}
	}
	return s, err
}

// Logout ends the session of a refresh token, with its access tokens.
func (a *Authenticator) Logout(ctx context.Context, token string) error {
	return a.users.Logout(ctx, token)
}

// Holder is the email of the user that a refresh token names, "" where there is none. It does not say whether the token
// is right.
func (a *Authenticator) Holder(token string) string {
	id, _, _ := strings.Cut(token, ".")
	if u := a.users.ByID(id); u != nil {
		return u.Email
	}
	return ""
}

// session signs the access token. It holds no grant: what the user has is looked up, and the version sees to it that
// the token ends with any change of that.
func (a *Authenticator) session(u *user.User, refresh string, err error) (*Session, error) {
	if err != nil {
		return nil, err
	}
	if a.own == nil {
		return nil, errNoSecret
	}
	now := a.now()
	expires := now.Add(SessionTTL + time.Second).Truncate(time.Second) // in whole seconds, and not before its time
	access, err := a.own.sign(jwt.MapClaims{
		"iss": ownIssuer, "iat": now.Unix(), "exp": expires.Unix(), "jti": rand.Text(), claimUser: u.ID, claimVersion: u.Version,
		claimSession: user.SessionOf(refresh),
	})
	if err != nil {
		return nil, err
	}
	return &Session{access, expires, SessionTTL, refresh, u.Email}, nil
}

// ofUser is who an access token stands for.
func (o *ownTokens) ofUser(c *claims, now time.Time) (*Identity, *Error) {
	u := o.auth.users.ByID(c.own.user)
	if u == nil || u.Version != c.own.version || !u.Active {
		return nil, errTokenRevoked
	}
	session := o.auth.users.Session(u.ID, c.own.session)
	if session == nil {
		return nil, errTokenRevoked
	}
	granted := u.Valid()
	scope := "user\x00" + u.ID
	return &Identity{
		Name: u.Email, Kind: "jwt", Scope: scope, Expires: c.exp.Time,
		Sub: granted.Sub, Pub: granted.Pub, Rest: granted.Rest, lives: []*grant.Life{u.Life, session},
		limiters: []*limiter{o.tokens.limiters.of(scope, now)}, bearers: []*bearer{o.bearer(c)},
	}, nil
}
