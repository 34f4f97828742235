package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of fetching keys.
const (
	jwksTimeout  = 5 * time.Second
	jwksMaxBytes = 1 << 20
	jwksMaxKeys  = 100
	jwksEvery    = 5 * time.Minute  // the usual JWT_JWKS_REFRESH
	jwksAtMost   = 10 * time.Second // between two fetches, whatever kids strangers make up
)

// errKeysUnavailable is the error while no set was ever fetched.
var errKeysUnavailable = errors.New("no keys were fetched yet")

// jwks are keys fetched from an address, cached; a failed fetch keeps the last good set.
type jwks struct {
	url    string
	every  time.Duration // between two fetches that went well
	client *http.Client
	logger *slog.Logger
	now    func() time.Time
	soon   chan struct{} // asks watch for a fetch

	fetching sync.Mutex // one fetch at a time
	keyList

	state  sync.RWMutex
	loaded bool // some fetch went well
	failed bool // the last one did not
	tried  time.Time
}

func newJWKS(o Options) *jwks {
	return &jwks{
		url: o.JWKSURL, every: cmp.Or(o.JWKSRefresh, jwksEvery), logger: o.Logger, now: o.Now, soon: make(chan struct{}, 1),
		client: &http.Client{Timeout: jwksTimeout, CheckRedirect: checkRedirect},
	}
}

// checkRedirect lets a set be read from where its address leads to: a few steps, https stays https, and http, which is
// for loopback only, stays on loopback.
func checkRedirect(r *http.Request, via []*http.Request) error {
	r.Header.Del("Referer") // the query of the address may be a secret
	switch {
	case len(via) > 3:
		return errors.New("it redirects too often")
	case r.URL.Scheme != via[0].URL.Scheme:
		return errors.New("it redirects to another scheme")
	case r.URL.Scheme != "https" && !loopback(r.URL.Hostname()):
		return errors.New("it redirects from loopback to http elsewhere")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var publicAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// algorithms are all public-key ones; find narrows them to each key's. Secrets have no place in a set
// that is fetched.
func (j *jwks) algorithms() []string { return publicAlgorithms }

func (j *jwks) find(alg, kid string) ([]*verificationKey, error) {
	fits := func(k *verificationKey) bool { return (kid == "" || k.kid == kid) && slices.Contains(k.algs, alg) }
	keys := j.filter(fits)
	if len(keys) == 0 && j.due(jwksAtMost) {
		j.fetch(jwksAtMost)
		keys = j.filter(fits)
	}
	if !j.ready() {
		return nil, errKeysUnavailable
	}
	return keys, nil
}

func (j *jwks) ready() bool {
	j.state.RLock()
	defer j.state.RUnlock()
	return j.loaded
}

func (j *jwks) due(after time.Duration) bool {
	j.state.RLock()
	defer j.state.RUnlock()
	return j.tried.IsZero() || j.now().Sub(j.tried) >= after
}

// period returns the time between two fetches, and how much of it is left.
func (j *jwks) period() (every, left time.Duration) {
	j.state.RLock()
	defer j.state.RUnlock()
	every = j.every
	if j.failed {
		every = min(every, jwksAtMost)
	}
	return every, min(every, max(0, every-j.now().Sub(j.tried)))
}

// refresh has the set fetched soon.
func (j *jwks) refresh() {
	select {
	case j.soon <- struct{}{}:
	default:
	}
}

// watch fetches at the start and then regularly, until quit is closed.
func (j *jwks) watch(quit <-chan struct{}) {
	j.fetch(j.every)
	for {
		_, left := j.period()
		next := time.NewTimer(left)
		select {
		case <-quit:
			next.Stop()
			return
		case <-j.soon:
			next.Stop()
			j.fetch(0)
		case <-next.C:
			every, _ := j.period()
			j.fetch(every)
		}
	}
}

// fetch reads the set, unless another fetch was made while this one waited for its turn. What was opened with tokens of
// a key that is gone ends with it.
func (j *jwks) fetch(unlessWithin time.Duration) {
	j.fetching.Lock()
	defer j.fetching.Unlock()
	if !j.due(unlessWithin) {
		return
	}
	keys, err := j.get()
	if err == nil {
		j.replace(keys)
	}
	j.state.Lock()
	j.tried, j.failed, j.loaded = j.now(), err != nil, j.loaded || err == nil
	j.state.Unlock()
	switch {
	case err != nil:
		j.logger.Error("fetching JWT_JWKS_URL; the last good keys stay", "cause", err)
	case len(keys) == 0:
		j.logger.Warn("JWT_JWKS_URL has no public signature key of a kind that is taken; no token is valid until it has one")
	}
}

func (j *jwks) get() ([]*verificationKey, error) {
	ctx, cancel := context.WithTimeout(context.Background(), jwksTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := j.client.Do(r)
	if err != nil {
		// The library's error names the whole address, whose query may be a secret.
		var where *url.Error
		if errors.As(err, &where) {
			err = where.Err
		}
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", answer.Status)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, jwksMaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > jwksMaxBytes {
		return nil, fmt.Errorf("the answer is over %d bytes", jwksMaxBytes)
	}
	return parseJWKS(text)
}

// parseJWKS takes the public signature keys out of a set; others are passed over, as RFC 7517 5 asks.
// A set without any is a set: its owner has removed them all.
func parseJWKS(text []byte) ([]*verificationKey, error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("the answer is no JSON Web Key Set: %w", err)
	}
	if set.Keys == nil {
		return nil, errors.New(`the answer is no JSON Web Key Set: it has no list "keys"`)
	}
	var keys []*verificationKey
	for _, raw := range *set.Keys {
		var k jose.JSONWebKey
		if len(keys) == jwksMaxKeys || k.UnmarshalJSON(raw) != nil || !k.IsPublic() || k.Use != "" && k.Use != "sig" {
			continue
		}
		// go-jose knows no key_ops (RFC 7517 4.3).
		var ops struct {
			KeyOps []string `json:"key_ops"`
		}
		if json.Unmarshal(raw, &ops) != nil || len(ops.KeyOps) > 0 && !slices.Contains(ops.KeyOps, "verify") {
			continue
		}
		algs := algorithmsOf(k.Key)
		if checkKey(k.Key, algs) != nil {
			continue
		}
		if k.Algorithm != "" {
			if !slices.Contains(algs, k.Algorithm) {
				continue
			}
			algs = []string{k.Algorithm}
		}
		keys = append(keys, &verificationKey{kid: k.KeyID, algs: algs, key: k.Key})
	}
	return keys, nil
}
