package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// Bounds of fetching keys.
const (
	jwksTimeout  = 5 * time.Second
	jwksMaxBytes = 1 << 20
	jwksMaxKeys  = 100
	jwksEvery    = 10 * time.Minute // keys are read again, so that removed ones go
	jwksAtMost   = 10 * time.Second // between two fetches, whatever kids strangers make up
)

// errKeysUnavailable is the error while no set was ever fetched.
var errKeysUnavailable = errors.New("no keys were fetched yet")

// jwks are keys fetched from an address, cached; a failed fetch keeps the last good set.
type jwks struct {
	url    string
	client *http.Client
	logger *slog.Logger
	now    func() time.Time

	fetching sync.Mutex // one fetch at a time

	mu     sync.RWMutex
	keys   []jwksKey
	loaded bool
	tried  time.Time
	gen    uint64
}

type jwksKey struct {
	kid  string
	algs []string
	key  jwt.VerificationKey
}

func newJWKS(url string, logger *slog.Logger, now func() time.Time) *jwks {
	return &jwks{url: url, logger: logger, now: now, client: &http.Client{
		Timeout: jwksTimeout,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 || r.URL.Scheme != via[0].URL.Scheme {
				return errors.New("redirected too often, or to another scheme")
			}
			return nil
		},
	}}
}

var publicAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// algorithms are all public-key ones; find narrows them to each key's. Secrets have no place in a set
// that is fetched.
func (j *jwks) algorithms() []string { return publicAlgorithms }

func (j *jwks) generation() uint64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.gen
}

func (j *jwks) find(alg, kid string) ([]jwt.VerificationKey, error) {
	keys, loaded := j.fitting(alg, kid)
	if len(keys) == 0 && j.due(jwksAtMost) {
		j.fetch(jwksAtMost)
		keys, loaded = j.fitting(alg, kid)
	}
	if !loaded {
		return nil, errKeysUnavailable
	}
	return keys, nil
}

func (j *jwks) fitting(alg, kid string) ([]jwt.VerificationKey, bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	var out []jwt.VerificationKey
	for _, k := range j.keys {
		if (kid == "" || k.kid == kid) && slices.Contains(k.algs, alg) {
			out = append(out, k.key)
		}
	}
	return out, j.loaded
}

func (j *jwks) due(after time.Duration) bool {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.tried.IsZero() || j.now().Sub(j.tried) >= after
}

// watch fetches at the start and every ten minutes, until quit is closed.
func (j *jwks) watch(quit <-chan struct{}) {
	tick := time.NewTicker(jwksAtMost)
	defer tick.Stop()
	for {
		every := jwksEvery
		if _, loaded := j.fitting("", ""); !loaded {
			every = jwksAtMost
		}
		if j.due(every) {
			j.fetch(every)
		}
		select {
		case <-quit:
			return
		case <-tick.C:
		}
	}
}

// fetch reads the set, unless another fetch was made while this one waited for its turn.
func (j *jwks) fetch(unlessWithin time.Duration) {
	j.fetching.Lock()
	defer j.fetching.Unlock()
	if !j.due(unlessWithin) {
		return
	}
	keys, err := j.get()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tried = j.now()
	if err != nil {
		j.logger.Error("fetching JWT_JWKS_URL; the last good keys stay", "cause", err)
		return
	}
	j.keys, j.loaded = keys, true
	j.gen++
}

func (j *jwks) get() ([]jwksKey, error) {
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
func parseJWKS(text []byte) ([]jwksKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("the answer is no JSON Web Key Set: %w", err)
	}
	var keys []jwksKey
	for _, raw := range set.Keys {
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
		keys = append(keys, jwksKey{k.KeyID, algs, k.Key})
	}
	if len(keys) == 0 {
		return nil, errors.New("the answer has no public signature key of a kind that is taken")
	}
	return keys, nil
}
