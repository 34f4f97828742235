package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth/grant"
	"sluice/auth/object"
	"sluice/channel"
)

// claims has the claims of a token that we use. It implements jwt.Claims.
type claims struct {
	exp, nbf, iat *jwt.NumericDate
	iss, sub, jti string
	aud           jwt.ClaimStrings
	realtime      json.RawMessage
	own           ownClaims
}

// ownClaims has the claims of the gateway's own tokens: which key or user they belong to. Other issuers may use the same
// names for anything, so a value of the wrong type is ignored.
type ownClaims struct {
	key     string // the id of the key that minted the token; or
	user    string // the id of the user who signed in,
	version string // the version of the user then,
	session string // and the session
	minted  int64  // when the key minted it, in microseconds
}

func (o *ownClaims) read(m map[string]json.RawMessage) {
	for name, dst := range map[string]*string{claimKey: &o.key, claimUser: &o.user, claimVersion: &o.version, claimSession: &o.session} {
		if v := m[name]; len(v) == 0 || v[0] != '"' || json.Unmarshal(v, dst) != nil {
			*dst = ""
		}
	}
	if v := m[claimMinted]; json.Unmarshal(v, &o.minted) != nil {
		o.minted = 0
	}
}

// UnmarshalJSON takes claims by exact name and type.
func (c *claims) UnmarshalJSON(text []byte) error {
	m, err := object.Members(text)
	if err != nil {
		return err
	}
	for name, dst := range map[string]**jwt.NumericDate{"exp": &c.exp, "nbf": &c.nbf, "iat": &c.iat} {
		if v, ok := m[name]; ok {
			if *dst, err = date(v); err != nil {
				return &claimError{name, err.Error()}
			}
		}
	}
	for name, dst := range map[string]*string{"iss": &c.iss, "sub": &c.sub, "jti": &c.jti} {
		if v, ok := m[name]; ok {
			if v[0] != '"' || json.Unmarshal(v, dst) != nil {
				return &claimError{name, "must be a string, not " + object.Kind(v)}
			}
		}
	}
	if v, ok := m["aud"]; ok {
		if c.aud, err = audience(v); err != nil {
			return err
		}
	}
	c.realtime = bytes.Clone(m["realtime"]) // the text is the caller's
	c.own.read(m)
	return nil
}

// claimError is what is wrong with a claim. It contains nothing from the token except the claim's name.
type claimError struct{ claim, fault string }

func (e *claimError) Error() string { return "claim " + e.claim + " " + e.fault }

// latest is the year 2500, in seconds. A later time is probably in milliseconds.
const latest = 16725225600

// maxDate is the year 9999, in seconds. A later time overflows in computations.
const maxDate = 253402300800

func date(v json.RawMessage) (*jwt.NumericDate, error) {
	var seconds float64
	switch {
	case v[0] == '"' || v[0] == 'n' || json.Unmarshal(v, &seconds) != nil:
		return nil, errors.New("must be a number of seconds since 1970, not " + object.Kind(v))
	case seconds < 0:
		return nil, errors.New("must be a number of seconds since 1970; it is before 1970")
	case seconds > latest && seconds/1000 < latest:
		return nil, errors.New("must be a number of seconds since 1970; it looks like milliseconds")
	case seconds > maxDate:
		return nil, errors.New("must be a number of seconds since 1970; it is after the year 9999")
	}
	whole, fraction := math.Modf(seconds)
	return &jwt.NumericDate{Time: time.Unix(int64(whole), int64(fraction*1e9))}, nil
}

func audience(v json.RawMessage) (jwt.ClaimStrings, error) {
	var one string
	if v[0] == '"' && json.Unmarshal(v, &one) == nil {
		return jwt.ClaimStrings{one}, nil
	}
	var many []*string
	if v[0] != '[' || json.Unmarshal(v, &many) != nil {
		return nil, &claimError{"aud", "must be a string or a list of strings, not " + object.Kind(v)}
	}
	out := make(jwt.ClaimStrings, 0, len(many))
	for _, s := range many {
		if s == nil {
			return nil, &claimError{"aud", "must be a string or a list of strings; the list has a null"}
		}
		out = append(out, *s)
	}
	return out, nil
}

// GetExpirationTime is exp.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.exp, nil }

// GetIssuedAt is iat.
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.iat, nil }

// GetNotBefore is nbf.
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return c.nbf, nil }

// GetIssuer is iss.
func (c *claims) GetIssuer() (string, error) { return c.iss, nil }

// GetSubject is sub.
func (c *claims) GetSubject() (string, error) { return c.sub, nil }

// GetAudience is aud.
func (c *claims) GetAudience() (jwt.ClaimStrings, error) { return c.aud, nil }

// grants reads the claim realtime: {"sub":[…],"pub":[…],"rest":[…]}, or a list, which means sub. Another shape
// grants nothing, and an invalid pattern matches nothing. More than channel.MaxGrant patterns are an error.
func (c *claims) grants() (s grant.Sets, err error) {
	if len(c.realtime) == 0 {
		return s, nil
	}
	var l grant.Lists
	switch c.realtime[0] {
	case '[':
		l.Sub, _ = object.Strings(c.realtime)
	case '{':
		m, err := object.Members(c.realtime)
		if err != nil {
			return s, errors.New("claim realtime: " + err.Error())
		}
		for name, list := range map[string]*[]string{"sub": &l.Sub, "pub": &l.Pub, "rest": &l.Rest} {
			var ok bool
			if *list, ok = object.Strings(m[name]); !ok {
				return s, nil
			}
		}
	}
	if l.Size() > channel.MaxGrant {
		return s, fmt.Errorf("claim realtime has more than %d patterns", channel.MaxGrant)
	}
	return l.Valid(), nil
}
