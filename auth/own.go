package auth

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth/grant"
	"sluice/broker/channel"
)

// ownIssuer is the iss of the gateway's own tokens.
const ownIssuer = "sluice"

// MaxTTL is the longest life of a token that a key asks for.
const MaxTTL = 24 * time.Hour

// ownTokens makes and verifies the gateway's own tokens: narrowed, short-lived, and worth what their key is
// worth. Settings for the tokens of others do not apply to them.
type ownTokens struct {
	auth   *Authenticator
	secret []byte
	tokens *tokens // parses; its identities are not used
}

// UseTokenSecret lets the gateway make tokens of its own. Gateways that share the secret, and the keys, take
// each other's.
func (a *Authenticator) UseTokenSecret(secret string) {
	set := &fixedKeys{algs: []string{"HS256"}, keys: []fixedKey{{[]string{"HS256"}, []byte(secret)}}}
	a.own = &ownTokens{
		auth: a, secret: []byte(secret),
		tokens: newTokens(set, Options{Issuer: ownIssuer, Now: a.now}, &limiters{}, a.revoked),
	}
}

// isOwn says whether a token claims to be ours.
func isOwn(token string) bool {
	_, rest, _ := strings.Cut(token, ".")
	body, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || len(token) > maxToken {
		return false
	}
	m, err := members(text)
	return err == nil && string(m["iss"]) == `"`+ownIssuer+`"`
}

// signed says whether a token's signature is ours.
func (o *ownTokens) signed(token string) bool {
	end := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.Strict().DecodeString(token[end+1:])
	return err == nil && jwt.SigningMethodHS256.Verify(token[:end], signature, o.secret) == nil
}

// Mint makes a token for a key, of a part of what the key may do.
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
		"iss": ownIssuer, "iat": now.Unix(), "exp": expires.Unix(), "jti": rand.Text(), "key": id.keys[0].id,
		"realtime": asked.Whole(),
	}
	token, err = jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(a.own.secret)
	if err == nil && len(token) > maxToken {
		err = fmt.Errorf("%w: the token would be over 8 KiB", ErrAsked)
	}
	return token, expires, err
}

// verify finds what a token grants now: its own list, as far as its key has it.
func (o *ownTokens) verify(token string) (*Identity, *Error) {
	if len(token) > maxToken {
		return nil, errTokenSize
	}
	t := o.tokens
	hash, now := sha256.Sum256([]byte(token)), t.now()
	if id, ok := t.cache.get(hash, 0); ok && id.Ended() == "" {
		return t.still(id, now)
	}
	c, err := t.parse(token)
	if err != nil {
		return nil, err
	}
	k := o.auth.keys.byID(c.key)
	if k == nil {
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
		bearers: []*bearer{{in: t.revoked, jti: c.jti, issued: issuedAt(c)}},
	}
	if !of.Expires.IsZero() && of.Expires.Before(id.Expires) {
		id.Expires = of.Expires
	}
	t.cache.put(hash, 0, id, now)
	return t.still(id, now)
}

// What Mint refuses.
var (
	ErrNoMint  = fmt.Errorf("only one API key can ask for a token")
	ErrAsked   = fmt.Errorf("this cannot be asked for")
	ErrExceeds = fmt.Errorf("this is more than the key has")
)

// within says whether each pattern is covered by a set.
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
