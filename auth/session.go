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

// SessionTTL is the life of an access token.
const SessionTTL = 15 * time.Minute

// Session is what a user gets from signing in.
type Session struct {
	Access  string        // a token, which is accepted wherever a key is
	Expires time.Time     // the end of the access token
	TTL     time.Duration // from now to Expires
	Refresh string        // the refresh token, which can be used once
	User    string        // the user's email
}

// Errors of Login, Refresh and Logout.
var (
	ErrBadLogin = user.ErrBadLogin  // the email, password or refresh token is wrong, whatever the reason
	ErrBusy     = passwords.ErrBusy // too many users sign in at once
)

// TriesError is the error after too many wrong passwords or refresh tokens.
type TriesError = passwords.TriesError

var errNoSecret = errors.New("there is no secret to sign sessions with")

// Users returns the users who can sign in.
func (a *Authenticator) Users() *user.Store { return a.users }

// Login signs a user in, from an address.
func (a *Authenticator) Login(ctx context.Context, from, email, password string) (*Session, error) {
	return a.session(a.users.Login(ctx, from, email, password))
}

// Refresh returns the next tokens for a refresh token from an address. A refresh token works once: a second use ends the
// session and all its tokens.
func (a *Authenticator) Refresh(ctx context.Context, from, token string) (*Session, error) {
	s, err := a.session(a.users.Refresh(ctx, token))
	if errors.Is(err, ErrBadLogin) {
		if wait := a.guesses.Wrong(from); wait > 0 {
			return nil, &TriesError{After: wait}
		}
	}
	return s, err
}

// Logout ends the session of a refresh token and its access tokens.
func (a *Authenticator) Logout(ctx context.Context, token string) error {
	return a.users.Logout(ctx, token)
}

// Holder returns the email of the user that a refresh token names, or "". It does not check the token.
func (a *Authenticator) Holder(token string) string {
	id, _, _ := strings.Cut(token, ".")
	if u := a.users.ByID(id); u != nil {
		return u.Email
	}
	return ""
}

// session signs an access token. The token contains no grant: that of the user is looked up. The version in the token
// makes it end when the user changes.
func (a *Authenticator) session(u *user.User, refresh string, err error) (*Session, error) {
	if err != nil {
		return nil, err
	}
	if a.own == nil {
		return nil, errNoSecret
	}
	now := a.now()
	expires := now.Add(SessionTTL + time.Second).Truncate(time.Second) // whole seconds, rounded up
	access, err := a.own.sign(jwt.MapClaims{
		"iss": ownIssuer, "iat": now.Unix(), "exp": expires.Unix(), "jti": rand.Text(), claimUser: u.ID, claimVersion: u.Version,
		claimSession: user.SessionOf(refresh),
	})
	if err != nil {
		return nil, err
	}
	return &Session{access, expires, SessionTTL, refresh, u.Email}, nil
}

// ofUser returns the identity of a user's access token.
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
