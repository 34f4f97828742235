package auth

import (
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth/grant"
	"sluice/auth/object"
	"sluice/channel"
)

// ownIssuer is the iss of the gateway's own tokens.
const ownIssuer = "sluice"

// Claims of the gateway's own tokens. See ownClaims.
const (
	claimKey     = "key"
	claimUser    = "user"
	claimVersion = "version"
	claimSession = "session"
	claimMinted  = "minted" // in microseconds; iat has only seconds
)

// MaxTTL is the longest life of a token that a key asks for.
const MaxTTL = 24 * time.Hour

// ownTokens makes and verifies the gateway's own tokens. They live for a short time, and never grant more than their key
// or user does now. The settings JWT_… do not apply to them.
type ownTokens struct {
	auth   *Authenticator
	secret []byte
	tokens *tokens // parses; its identities are not used
}

// newOwnTokens lets the gateway make tokens of its own. Gateways that share the secret, and the keys, take each other's.
func newOwnTokens(a *Authenticator, o Options) *ownTokens {
	return &ownTokens{
		auth: a, secret: []byte(o.TokenSecret),
		tokens: newTokens(newSecrets([]string{o.TokenSecret}, "HS256"), Options{Issuer: ownIssuer, Now: o.Now}, newLimiters(o.PublishRate), a.revoked),
	}
}

// derive makes a separate secret for each purpose, so that a value made for one purpose is worthless for another.
func derive(secret, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, purpose, sha256.Size)
	if err != nil { // cannot happen: the length is that of the hash
		panic(err)
	}
	return key
}

func randomSecret() []byte {
	secret := make([]byte, sha256.Size)
	rand.Read(secret) // its documentation says that it never fails
	return secret
}

// isOwn reports whether a token claims to be ours.
func isOwn(token string) bool {
	_, rest, _ := strings.Cut(token, ".")
	body, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || len(token) > maxToken {
		return false
	}
	m, err := object.Members(text)
	return err == nil && string(m["iss"]) == `"`+ownIssuer+`"`
}

// signed reports whether a token's signature is ours.
func (o *ownTokens) signed(token string) bool {
	end := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.Strict().DecodeString(token[end+1:])
	return err == nil && jwt.SigningMethodHS256.Verify(token[:end], signature, o.secret) == nil
}

func (o *ownTokens) sign(claims jwt.MapClaims) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(o.secret)
}

// Asked is what a request for a token has.
type Asked struct {
	grant.Lists
	TTL *string `json:"ttl"`
}

// defaultTTL is the life of a token whose request has none.
const defaultTTL = 10 * time.Minute

// Life returns how long the token is to live. It returns an error for a token that nobody can use.
func (a *Asked) Life() (ttl time.Duration, err error) {
	ttl = defaultTTL
	if a.TTL != nil {
		if ttl, err = time.ParseDuration(*a.TTL); err != nil || ttl < time.Second || ttl > MaxTTL {
			return 0, fmt.Errorf(`%w: field "ttl" must be a duration from 1s to 24h, like 10m`, ErrAsked)
		}
	}
	if a.Size() == 0 {
		return 0, fmt.Errorf(`%w: it would grant nothing; give it channels in "sub" or "pub", or documents in "rest"`, ErrAsked)
	}
	return ttl, nil
}

// MintFor makes a token for the key with an id, for the administrator, who does not have the key itself.
func (a *Authenticator) MintFor(ctx context.Context, id string, asked grant.Lists, ttl time.Duration) (token string, expires time.Time, err error) {
	k, err := a.findKey(ctx, id)
	if err != nil {
		return "", expires, err
	}
	of, bad := a.keyIdentity(k)
	if bad != nil {
		return "", expires, fmt.Errorf("%w: the key has expired", ErrAsked)
	}
	return a.Mint(of, asked, ttl)
}

// Mint makes a token for a key. The token may grant only what the key grants.
func (a *Authenticator) Mint(id *Identity, asked grant.Lists, ttl time.Duration) (token string, expires time.Time, err error) {
	if a.own == nil || len(id.keys) != 1 || len(id.bearers) > 0 {
		return "", expires, ErrNoMint
	}
	if asked.Size() > channel.MaxGrant {
		return "", expires, fmt.Errorf("%w: more than %d patterns", ErrAsked, channel.MaxGrant)
	}
	if err := cmp.Or(within(asked.Sub, channel.Parse, id.Sub), within(asked.Pub, channel.Parse, id.Pub), within(asked.Rest, grant.ParseRest, id.Rest)); err != nil {
		return "", expires, err
	}
	now := a.now()
	expires = now.Add(ttl).Truncate(time.Second)
	if !id.Expires.IsZero() && id.Expires.Before(expires) {
		expires = id.Expires
	}
	claims := jwt.MapClaims{
		"iss": ownIssuer, "iat": now.Unix(), "exp": expires.Unix(), "jti": rand.Text(), claimKey: id.keys[0].id,
		claimMinted: now.UnixMicro(), "realtime": asked.Whole(),
	}
	token, err = a.own.sign(claims)
	switch {
	case err != nil:
	case id.Ended() != "": // a removal voids only the tokens minted before it, so no token may be minted after it
		return "", expires, fmt.Errorf("%w, and this one was removed or changed meanwhile", ErrNoMint)
	case len(token) > maxToken:
		err = fmt.Errorf("%w: the token would be over 8 KiB", ErrAsked)
	}
	return token, expires, err
}

// verify returns the identity of a token, with what it grants now.
func (o *ownTokens) verify(token string) (*Identity, *Error) {
	if len(token) > maxToken {
		return nil, errTokenSize
	}
	t := o.tokens
	hash, now := sha256.Sum256([]byte(token)), t.now()
	if id, err := t.cached(hash, now); id != nil || err != nil {
		return id, err
	}
	c, _, err := t.parse(token)
	if err != nil {
		return nil, err
	}
	var id *Identity
	if c.own.user != "" {
		id, err = o.ofUser(c, now)
	} else {
		id, err = o.ofKey(c)
	}
	if err != nil {
		return nil, err
	}
	t.cache.put(hash, id, now)
	return t.checkEnd(id, now)
}

// ofKey returns the identity of a token that a key minted. It grants what both the token and the key grant.
func (o *ownTokens) ofKey(c *claims) (*Identity, *Error) {
	k := o.auth.keys.byID(c.own.key)
	if k == nil || !k.stored && o.auth.keys.minters.void(k.id, cmp.Or(c.own.minted, issuedAt(c)*1e6)) {
		return nil, errTokenRevoked
	}
	of, err := o.auth.keyIdentity(k)
	if err != nil {
		return nil, err
	}
	granted, gerr := c.grants()
	if gerr != nil {
		return nil, badToken(gerr.Error())
	}
	granted = granted.Intersect(grant.Sets{Sub: of.Sub, Pub: of.Pub, Rest: of.Rest})
	id := &Identity{
		Name: k.Name, Kind: "token", Scope: of.Scope, Expires: c.exp.Time,
		Sub: granted.Sub, Pub: granted.Pub, Rest: granted.Rest, keys: of.keys, lives: of.lives, limiters: of.limiters,
		bearers: []*bearer{o.bearer(c)},
	}
	if !of.Expires.IsZero() && of.Expires.Before(id.Expires) {
		id.Expires = of.Expires
	}
	return id, nil
}

// bearer returns what a revocation can name of one of our own tokens, which have no subject.
func (o *ownTokens) bearer(c *claims) *bearer {
	return &bearer{in: o.tokens.revoked, jti: c.jti, issued: issuedAt(c)}
}

// Errors of Mint.
var (
	ErrNoMint  = fmt.Errorf("a token can be made only for one API key")
	ErrAsked   = fmt.Errorf("the token cannot be made")
	ErrExceeds = fmt.Errorf("the token would grant more than its key")
)

// within returns an error for the first pattern that a set does not cover.
func within(list []string, read func(string) (channel.Pattern, error), has channel.Set) error {
	for _, text := range list {
		p, err := read(text)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrAsked, err)
		}
		asked := channel.NewSet(p)
		if asked.Intersect(has).String() != asked.String() {
			return fmt.Errorf("%w: %q", ErrExceeds, text)
		}
	}
	return nil
}
