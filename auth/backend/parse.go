package backend

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"sluice/auth/grant"
	"sluice/auth/object"
	"sluice/channel"
)

// Bounds of an answer.
const (
	maxAnswer = 64 << 10
	maxName   = 1024 // bytes of subject and name: a revocation can name no longer subject
	minTTL    = time.Second
	maxTTL    = 24 * time.Hour
	usualTTL  = time.Minute
)

// Grant is what the application grants.
type Grant struct {
	Subject, Name string
	grant.Sets
	TTL time.Duration
}

// parse reads an answer. As with tokens, names of fields are exact, no field occurs twice, and an invalid pattern matches
// nothing. A field that is null counts as absent: some languages write an empty list so.
func parse(text []byte) (Grant, error) {
	g := Grant{TTL: usualTTL}
	if !utf8.Valid(text) {
		return g, errors.New("it is not UTF-8")
	}
	m, err := object.Members(text)
	if err != nil {
		return g, err
	}
	for name, v := range m {
		if string(v) == "null" {
			delete(m, name)
		}
	}
	for name, to := range map[string]*string{"subject": &g.Subject, "name": &g.Name} {
		v, has := m[name]
		switch {
		case !has:
		case v[0] != '"' || json.Unmarshal(v, to) != nil:
			return g, fmt.Errorf("its %s must be a string, not %s", name, object.Kind(v))
		case len(*to) > maxName:
			return g, fmt.Errorf("its %s has more than %d bytes", name, maxName)
		}
	}
	if g.Subject == "" {
		return g, errors.New(`it has no "subject"`)
	}
	var l grant.Lists
	for name, to := range map[string]*[]string{"sub": &l.Sub, "pub": &l.Pub, "rest": &l.Rest} {
		var ok bool
		if *to, ok = object.Strings(m[name]); !ok {
			return g, fmt.Errorf("its %s must be a list of strings", name)
		}
	}
	if l.Size() > channel.MaxGrant {
		return g, fmt.Errorf("it has more than %d patterns", channel.MaxGrant)
	}
	g.Sets = l.Valid()
	if v, has := m["ttl"]; has {
		if g.TTL, err = readTTL(v); err != nil {
			return g, err
		}
	}
	return g, nil
}

var errTTL = errors.New(`its ttl must be a duration, such as "5m", or a whole number of seconds`)

// readTTL reads how long an answer is good. What is outside the bounds becomes the nearest bound.
func readTTL(v json.RawMessage) (time.Duration, error) {
	var ttl time.Duration
	if v[0] == '"' {
		var text string
		if json.Unmarshal(v, &text) != nil {
			return 0, errTTL
		}
		var err error
		if ttl, err = time.ParseDuration(text); err != nil {
			return 0, errTTL
		}
	} else {
		var seconds float64
		if v[0] != '-' && (v[0] < '0' || v[0] > '9') || json.Unmarshal(v, &seconds) != nil || seconds != math.Trunc(seconds) {
			return 0, errTTL
		}
		ttl = time.Duration(max(0, min(seconds, maxTTL.Seconds()))) * time.Second
	}
	return max(minTTL, min(ttl, maxTTL)), nil
}

// within reports whether everything that g grants is granted by n too, to the same subject.
func (g *Grant) within(n *Grant) bool {
	return g.Subject == n.Subject && (g.Same(n.Sets) || g.Intersect(n.Sets).Same(g.Sets))
}

// size is about how much memory a grant takes.
func (g *Grant) size() int64 {
	return int64(len(g.Subject)+len(g.Name)) + g.Sub.Size() + g.Pub.Size() + g.Rest.Size()
}
