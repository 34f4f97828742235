package auth

import (
	"cmp"
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

	"sluice/auth/peer"
)

// Bounds of fetching keys.
const (
	jwksTimeout  = 5 * time.Second
	jwksMaxBytes = 1 << 20
	jwksMaxKeys  = 100
	jwksEvery    = 5 * time.Minute  // the usual JWT_JWKS_REFRESH
	JWKSAtMost   = 10 * time.Second // between two fetches, whatever kids strangers make up
)

// unavailableError is the error while it is not known whether the set has a key.
type unavailableError struct {
	after  time.Duration // when it may be known
	loaded bool          // the set was fetched before
}

func (e *unavailableError) Error() string {
	if e.loaded {
		return "the key of this token is not known yet: the keys of JWT_JWKS_URL are fetched again soon; come back in a moment"
	}
	return "the keys of JWT_JWKS_URL could not be fetched yet; come back in a moment (the gateway's log has the cause)"
}

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

	state   sync.RWMutex
	loaded  bool // some fetch went well
	failed  bool // the last one did not
	tried   time.Time
	fetches int                 // made so far
	asked   time.Time           // the last fetch for a token whose key the set did not have
	absent  map[string]struct{} // kids that it does not have for certain: they left it, or it was fetched for them
}

// maxAbsent bounds what is remembered of kids that are not in the set. It is emptied when it is full.
const maxAbsent = 1000

func newJWKS(o Options) *jwks {
	return &jwks{
		url: o.JWKSURL, every: cmp.Or(o.JWKSRefresh, jwksEvery), logger: o.Logger, now: o.Now, soon: make(chan struct{}, 1), absent: map[string]struct{}{},
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
	case r.URL.Scheme != "https" && !peer.Loopback(r.URL.Hostname()):
		return errors.New("it redirects from loopback to http elsewhere")
	}
	return nil
}

var publicAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// algorithms are all public-key ones; find narrows them to each key's. Secrets have no place in a set
// that is fetched.
func (j *jwks) algorithms() []string { return publicAlgorithms }

func (j *jwks) find(alg, kid string) ([]*verificationKey, error) {
	fits := func(k *verificationKey) bool { return (kid == "" || k.kid == kid) && slices.Contains(k.algs, alg) }
	keys := j.filter(fits)
	if len(keys) > 0 {
		return keys, nil
	}
	asked := j.ask()
	if keys = j.filter(fits); len(keys) > 0 {
		return keys, nil
	}
	return nil, j.unknown(kid, asked)
}

// unknown returns nil where the set does not have a key for certain. Asked says that it was just fetched for this key.
func (j *jwks) unknown(kid string, asked bool) error {
	j.state.Lock()
	defer j.state.Unlock()
	if asked && !j.failed {
		j.lacks(kid)
	}
	if _, certain := j.absent[kid]; certain && !j.failed {
		return nil
	}
	return &unavailableError{after: max(time.Second, JWKSAtMost-j.now().Sub(j.asked)), loaded: j.loaded}
}

// lacks notes that the set does not have a key.
func (j *jwks) lacks(kid string) {
	if len(j.absent) >= maxAbsent {
		clear(j.absent)
	}
	j.absent[kid] = struct{}{}
}

// ask fetches the set for a key that it does not have, once in a while beside the regular fetches. It reports whether
// it did.
func (j *jwks) ask() bool {
	may, before := j.mayAsk()
	if !may {
		return false
	}
	j.fetching.Lock()
	defer j.fetching.Unlock()
	if may, now := j.mayAsk(); !may || now != before {
		return false // another fetch was made while this one waited for its turn
	}
	j.update()
	j.state.Lock()
	defer j.state.Unlock()
	j.asked = j.now()
	return true
}

// mayAsk reports whether a fetch for a key is due, and how many fetches were made so far.
func (j *jwks) mayAsk() (may bool, fetches int) {
	j.state.RLock()
	defer j.state.RUnlock()
	return j.asked.IsZero() || j.now().Sub(j.asked) >= JWKSAtMost, j.fetches
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
		every = min(every, JWKSAtMost)
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

// fetch reads the set, unless another fetch was made while this one waited for its turn.
func (j *jwks) fetch(unlessWithin time.Duration) {
	j.fetching.Lock()
	defer j.fetching.Unlock()
	if j.due(unlessWithin) {
		j.update()
	}
}

// update reads the set. What was opened with tokens of a key that is gone ends with it.
func (j *jwks) update() {
	keys, err := j.get()
	var gone []*verificationKey
	if err == nil {
		gone = j.replace(keys)
	}
	j.state.Lock()
	for _, k := range gone {
		j.lacks(k.kid)
	}
	j.tried, j.failed, j.loaded = j.now(), err != nil, j.loaded || err == nil
	j.fetches++
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
