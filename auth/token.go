package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth/object"
	"sluice/channel"
)

// maxToken is the longest token that is parsed, in bytes.
const maxToken = 8 << 10

// tokens verifies JSON Web Tokens.
type tokens struct {
	keys       keySet
	parser     *jwt.Parser
	now        func() time.Time
	defaultSub defaults
	defaultPub defaults
	global     bool
	limiters   *limiters
	revoked    *revoked
	cache      tokenCache
}

func newTokens(keys keySet, o Options, ls *limiters, r *revoked) *tokens {
	options := []jwt.ParserOption{
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithStrictDecoding(),
		jwt.WithValidMethods(keys.algorithms()),
		jwt.WithLeeway(o.Leeway),
		jwt.WithTimeFunc(o.Now),
	}
	if o.Issuer != "" {
		options = append(options, jwt.WithIssuer(o.Issuer))
	}
	if o.Audience != "" {
		options = append(options, jwt.WithAudience(o.Audience))
	}
	return &tokens{
		keys: keys, parser: jwt.NewParser(options...), now: o.Now,
		defaultSub: newDefaults(o.DefaultSub), defaultPub: newDefaults(o.DefaultPub), global: o.Global, limiters: ls, revoked: r,
		cache: tokenCache{entries: map[[sha256.Size]byte]*Identity{}},
	}
}

// verify checks a token and returns its identity.
func (t *tokens) verify(token string) (*Identity, *Error) {
	if len(token) > maxToken {
		return nil, errTokenSize
	}
	hash := sha256.Sum256([]byte(token))
	now := t.now()
	if id, err := t.cached(hash, now); id != nil || err != nil {
		return id, err
	}
	c, by, err := t.parse(token)
	if err != nil {
		return nil, err
	}
	id, gerr := t.identity(c, now)
	if gerr != nil {
		return nil, badToken(gerr.Error())
	}
	if by.life != nil {
		id.lives = append(id.lives, by.life)
	}
	t.cache.put(hash, id, now)
	return t.checkEnd(id, now)
}

// cached returns the identity of a token that was verified before, or an error if it has expired. For one that was
// revoked it returns neither: what the token depends on may exist again, so the token must be verified again.
func (t *tokens) cached(hash [sha256.Size]byte, now time.Time) (*Identity, *Error) {
	id := t.cache.get(hash)
	if id == nil {
		return nil, nil
	}
	if _, err := t.checkEnd(id, now); err == errTokenRevoked {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return id, nil
}

// checkEnd returns an identity, or an error if it has expired or ended.
func (t *tokens) checkEnd(id *Identity, now time.Time) (*Identity, *Error) {
	if !now.Before(id.Expires) {
		return nil, errTokenExpired
	}
	if id.Ended() != "" {
		return nil, errTokenRevoked
	}
	return id, nil
}

// parse verifies a token and returns its claims and the key that signed it.
func (t *tokens) parse(token string) (*claims, *verificationKey, *Error) {
	if err := checkForm(token); err != nil {
		return nil, nil, guessed(badToken(err.Error()))
	}
	c := &claims{}
	var by *verificationKey
	var unknown *unavailableError
	_, err := t.parser.ParseWithClaims(token, c, func(token *jwt.Token) (_ any, err error) {
		if by, err = t.signer(token); err != nil {
			return nil, err
		}
		return by.key, nil
	})
	switch {
	case errors.As(err, &unknown):
		return nil, nil, keysUnavailable(unknown)
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, nil, errTokenExpired
	case errors.Is(err, jwt.ErrTokenMalformed), errors.Is(err, jwt.ErrTokenUnverifiable), errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return nil, nil, guessed(badToken(reason(err)))
	case err != nil:
		return nil, nil, badToken(reason(err))
	case !t.now().Before(c.exp.Time):
		// The library applies the leeway to exp as well, but exp is exact.
		return nil, nil, errTokenExpired
	}
	return c, by, nil
}

// reason describes an error of the library, which may quote the token, in our own words.
func reason(err error) string {
	var claim *claimError
	if errors.As(err, &claim) {
		return claim.Error()
	}
	if errors.Is(err, jwt.ErrTokenRequiredClaimMissing) {
		for _, name := range []string{"exp", "iss", "aud"} {
			if strings.Contains(err.Error(), name+" claim is required") {
				return "claim " + name + " is missing"
			}
		}
	}
	for known, why := range map[error]string{
		jwt.ErrTokenNotValidYet:          "its nbf is in the future",
		jwt.ErrTokenUsedBeforeIssued:     "its iat is in the future",
		jwt.ErrTokenInvalidIssuer:        "its iss is not JWT_ISSUER",
		jwt.ErrTokenInvalidAudience:      "its aud does not name JWT_AUDIENCE",
		jwt.ErrTokenRequiredClaimMissing: "a required claim is missing (exp, and iss or aud where configured)",
		jwt.ErrTokenSignatureInvalid:     "its signature is not by a configured key",
		jwt.ErrTokenUnverifiable:         "no configured key has its algorithm and kid",
	} {
		if errors.Is(err, known) {
			return why
		}
	}
	return "it is not a JSON Web Token with valid claims"
}

// checkForm refuses three things that the library accepts. Line breaks inside base64 are forbidden by RFC 7515 section 2. A
// token with a field crit must be refused by whoever does not understand it (section 4.1.11). Header fields must not be
// repeated.
func checkForm(token string) error {
	var head []byte
	for i, part := range strings.Split(token, ".") {
		text, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || strings.ContainsAny(part, "\r\n") {
			return errors.New("it is not three parts of base64url")
		}
		if i == 0 {
			head = text
		}
	}
	m, err := object.Members(head)
	if err != nil {
		return fmt.Errorf("its header: %w", err)
	}
	if _, ok := m["crit"]; ok {
		return errors.New("its header has crit, which is not supported")
	}
	return nil
}

// RFC 7518 section 3.5 demands that the salt of RSASSA-PSS is as long as the hash. By default, the library accepts any
// length.
func init() {
	for _, m := range []*jwt.SigningMethodRSAPSS{jwt.SigningMethodPS256, jwt.SigningMethodPS384, jwt.SigningMethodPS512} {
		m.VerifyOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	}
}

// signer returns the key that signed a token. If no key fits the signature, it returns one that fits the header; the
// parser checks the signature again, and then refuses the token.
func (t *tokens) signer(token *jwt.Token) (*verificationKey, error) {
	kid, isText := token.Header["kid"].(string)
	if _, has := token.Header["kid"]; has && !isText {
		return nil, errors.New("kid is no string")
	}
	keys, err := t.keys.find(token.Method.Alg(), kid)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("no key fits")
	}
	if len(keys) > 1 {
		text := token.Raw[:strings.LastIndexByte(token.Raw, '.')]
		for _, k := range keys {
			if token.Method.Verify(text, token.Signature, k.key) == nil {
				return k, nil
			}
		}
	}
	return keys[0], nil
}

// identity makes the identity of valid claims. It expires at their exp.
func (t *tokens) identity(c *claims, now time.Time) (*Identity, error) {
	granted, err := c.grants()
	if err != nil {
		return nil, err
	}
	scope := "jwt\x00" + c.iss + "\x00" + c.sub
	id := &Identity{
		Name: c.sub, Kind: "jwt", Scope: scope, Expires: c.exp.Time,
		Sub:      granted.Sub.Union(t.defaultSub.of(c.sub)),
		Pub:      granted.Pub.Union(t.defaultPub.of(c.sub)),
		Rest:     granted.Rest,
		limiters: []*limiter{t.limiters.of(scope, now)},
		bearers:  []*bearer{{in: t.revoked, jti: c.jti, subject: c.sub, issued: issuedAt(c)}},
	}
	if t.global {
		id.Sub, id.Pub = id.Sub.Union(channel.Everything()), id.Pub.Union(channel.Everything())
	}
	return id, nil
}

// algorithmsOf returns the algorithms for the type of a public key.
func algorithmsOf(key any) []string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return []string{"ES256"}
		case 384:
			return []string{"ES384"}
		case 521:
			return []string{"ES512"}
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	}
	return nil
}

// tokenCache remembers verified tokens, because a verification takes 30 to 170 µs. When it is full, it removes the
// expired ones; if none are, it removes all.
type tokenCache struct {
	mu      sync.Mutex
	entries map[[sha256.Size]byte]*Identity
}

const maxCached = 10_000

func (c *tokenCache) get(hash [sha256.Size]byte) *Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[hash]
}

func (c *tokenCache) put(hash [sha256.Size]byte, id *Identity, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= maxCached {
		for h, old := range c.entries {
			if !now.Before(old.Expires) {
				delete(c.entries, h)
			}
		}
		if len(c.entries) >= maxCached {
			clear(c.entries)
		}
	}
	c.entries[hash] = id
}
