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

// Limits of fetching keys.
const (
	jwksTimeout     = 5 * time.Second
	jwksMaxBytes    = 1 << 20
	jwksMaxKeys     = 100
	jwksEvery       = 5 * time.Minute  // the default of JWT_JWKS_REFRESH
	MinJWKSInterval = 10 * time.Second // the shortest time between two fetches for unknown keys, which strangers can make up
)

// unavailableError is the error of a token while the gateway does not know whether the set has its key.
type unavailableError struct {
	after  time.Duration // when to try again
	loaded bool          // the set was fetched before
}

func (e *unavailableError) Error() string {
	if e.loaded {
		return "the gateway does not know the key of this token yet and will fetch JWT_JWKS_URL again soon; try again in a moment"
	}
	return "the keys of JWT_JWKS_URL could not be fetched yet; try again in a moment (the gateway's log has the cause)"
}

// jwks has the keys of JWT_JWKS_URL. If a fetch fails, the last good set stays in force.
type jwks struct {
	url      string
	every    time.Duration // between two fetches that succeed
	client   *http.Client
	logger   *slog.Logger
	now      func() time.Time
	fetchNow chan struct{} // asks watch for a fetch

	fetching sync.Mutex // one fetch at a time
	keyList

	state   sync.RWMutex
	loaded  bool                // a fetch succeeded
	failed  bool                // the last fetch failed
	tried   time.Time           // the last fetch
	fetches int                 // so far
	asked   time.Time           // the last fetch for a token whose key was not in the set
	absent  map[string]struct{} // kids that are certainly not in the set: they left it, or a fetch for them did not find them
}

// maxAbsent is the size of absent. It is emptied when it is full.
const maxAbsent = 1000

func newJWKS(o Options) *jwks {
	return &jwks{
		url: o.JWKSURL, every: cmp.Or(o.JWKSRefresh, jwksEvery), logger: o.Logger, now: o.Now, fetchNow: make(chan struct{}, 1), absent: map[string]struct{}{},
		client: &http.Client{Timeout: jwksTimeout, CheckRedirect: checkRedirect},
	}
}

// checkRedirect follows up to three redirects. From https they must lead to https. From http, which is for loopback
// only, they must stay on loopback.
func checkRedirect(r *http.Request, via []*http.Request) error {
	r.Header.Del("Referer") // the query of the URL may be a secret
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

// algorithms returns all algorithms with public keys; find narrows them to those of each key. A set that is fetched
// contains no secrets.
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

// unknown returns nil if the set certainly does not have a key, and an unavailableError otherwise. asked means that the
// set was just fetched for this key.
func (j *jwks) unknown(kid string, asked bool) error {
	j.state.Lock()
	defer j.state.Unlock()
	if asked && !j.failed {
		j.noteMissing(kid)
	}
	if _, certain := j.absent[kid]; certain && !j.failed {
		return nil
	}
	return &unavailableError{after: max(time.Second, MinJWKSInterval-j.now().Sub(j.asked)), loaded: j.loaded}
}

// noteMissing notes that the set does not have a key. The caller holds j.state.
func (j *jwks) noteMissing(kid string) {
	if len(j.absent) >= maxAbsent {
		clear(j.absent)
	}
	j.absent[kid] = struct{}{}
}

// ask fetches the set for a key that it does not have, in addition to the regular fetches and at most once in
// MinJWKSInterval. It reports whether it fetched.
func (j *jwks) ask() bool {
	may, before := j.mayFetch()
	if !may {
		return false
	}
	j.fetching.Lock()
	defer j.fetching.Unlock()
	if may, now := j.mayFetch(); !may || now != before {
		return false // another goroutine fetched while this one waited for the lock
	}
	j.update()
	j.state.Lock()
	defer j.state.Unlock()
	j.asked = j.now()
	return true
}

// mayFetch reports whether a fetch for an unknown key is allowed now, and the number of fetches so far.
func (j *jwks) mayFetch() (may bool, fetches int) {
	j.state.RLock()
	defer j.state.RUnlock()
	return j.asked.IsZero() || j.now().Sub(j.asked) >= MinJWKSInterval, j.fetches
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

// period returns the time between two fetches, and the time until the next.
func (j *jwks) period() (every, left time.Duration) {
	j.state.RLock()
	defer j.state.RUnlock()
	every = j.every
	if j.failed {
		every = min(every, MinJWKSInterval)
	}
	return every, min(every, max(0, every-j.now().Sub(j.tried)))
}

// refresh makes watch fetch the set now.
func (j *jwks) refresh() {
	select {
	case j.fetchNow <- struct{}{}:
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
		case <-j.fetchNow:
			next.Stop()
			j.fetch(0)
		case <-next.C:
			every, _ := j.period()
			j.fetch(every)
		}
	}
}

// fetch reads the set, unless another fetch was made within the given time.
func (j *jwks) fetch(unlessWithin time.Duration) {
	j.fetching.Lock()
	defer j.fetching.Unlock()
	if j.due(unlessWithin) {
		j.update()
	}
}

// update reads the set. If a key is gone, all streams and sockets that were opened with its tokens end.
func (j *jwks) update() {
	keys, err := j.get()
	var gone []*verificationKey
	if err == nil {
		gone = j.replace(keys)
	}
	j.state.Lock()
	for _, k := range gone { // no fetch is needed to know that these are not in the set
		j.noteMissing(k.kid)
	}
	j.tried, j.failed, j.loaded = j.now(), err != nil, j.loaded || err == nil
	j.fetches++
	j.state.Unlock()
	switch {
	case err != nil:
		j.logger.Error("cannot fetch JWT_JWKS_URL; the last good keys stay in force", "cause", err)
	case len(keys) == 0:
		j.logger.Warn("JWT_JWKS_URL has no public signature key of a supported kind; no token is valid until it has one")
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

// parseJWKS returns the public signature keys of a set and ignores others, as RFC 7517 section 5 demands.
// A set without any is valid: its owner has removed them all.
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
		// go-jose ignores key_ops (RFC 7517 section 4.3).
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
