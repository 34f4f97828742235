package auth

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"sluice/auth/backend"
	"sluice/auth/grant"
	"sluice/auth/passwords"
	"sluice/auth/peer"
	"sluice/auth/tries"
	"sluice/auth/user"
	"sluice/channel"
	"sluice/config/filewatch"
	"sluice/store/eventlog"
)

// Options has values from the settings.
type Options struct {
	Log         *eventlog.Log // nil: there are only the keys of the settings
	TokenSecret string        // of the gateway's own tokens, which gateways share; "": it makes none
	// FirstKey makes the key of a first start. It is called where the store has no key; nil: there is none.
	FirstKey func() (string, error)
	KeptKey  string // the key of an earlier first start, which stays in force beside those of the store; "": there is none
	// EndedKey is the key of an earlier first start that is not in force any more, and EndedWhy the reason: whoever still
	// sends the key learns it.
	EndedKey, EndedWhy string

	APIKeys     string // JSON list
	APIKeysFile string

	Secrets       []string // at most one of the three
	PublicKeyFile string
	JWKSURL       string
	JWKSRefresh   time.Duration // 0: the default

	Issuer, Audience       string
	Leeway                 time.Duration
	DefaultSub, DefaultPub []string

	Backend backend.Options // the application that decides about other requests; without a URL there is none

	Global           bool
	QueryCredentials bool
	Cookie           string       // the name of the cookie that carries a credential; "": none does
	Origins          []string     // of pages that may make changes by it, beside the gateway's own
	Proxies          peer.Proxies // by which the gateway knows its own origin
	PublishRate      float64
	Passwords        *passwords.Checker // of users; nil: one with the usual cost
	Logger           *slog.Logger
	Now              func() time.Time
}

// Authenticator finds the identity of a request.
type Authenticator struct {
	keys             *keyring
	tokens           *tokens // nil if tokens of other issuers are not accepted
	pem              *pemFile
	jwks             *jwks
	own              *ownTokens
	revoked          *revoked
	users            *user.Store
	passwords        *passwords.Checker
	guesses          *tries.Guard     // of keys, tokens and sessions of the application
	accepted         *tries.Guard     // counts unknown credentials that the application accepts
	backend          *backend.Backend // nil if no application decides
	global           bool
	queryCredentials bool
	ended            *endedKey // nil: there is none
	cookie           string    // its name; "": no cookie carries a credential
	pages            pages     // that may make changes by it
	now              func() time.Time

	quit  chan struct{}
	group sync.WaitGroup
	once  sync.Once
}

// Check reads the keys of the settings and nothing else. Its error joins *SettingError values.
func Check(o Options) error {
	o.Logger = nil // New warns
	o.defaults()
	a := newAuthenticator(o)
	_, err := a.tokenKeys(o)
	return errors.Join(a.keys.load(), err)
}

// New reads the keys and begins to watch their files. Its error joins *SettingError values.
func New(o Options) (*Authenticator, error) {
	o.defaults()
	a := newAuthenticator(o)
	set, err := a.tokenKeys(o)
	if err != nil {
		return nil, errors.Join(a.keys.load(), err)
	}
	if err := a.openStore(o); err != nil {
		return nil, err
	}
	if set != nil {
		a.tokens = newTokens(set, o, newLimiters(o.PublishRate), a.revoked)
	}
	if o.TokenSecret != "" {
		a.own = newOwnTokens(a, o)
	}
	if err := a.keys.load(); err != nil { // last, so that ids of keys are made with the secret, and the store is known
		return nil, err
	}
	a.openBackend(o)
	a.watch(o.Logger)
	return a, nil
}

func (o *Options) defaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Passwords == nil {
		o.Passwords = passwords.New()
	}
}

func newAuthenticator(o Options) *Authenticator {
	return &Authenticator{
		passwords: o.Passwords, keys: newKeyring(o), ended: newEndedKey(o.EndedKey, o.EndedWhy),
		global: o.Global, queryCredentials: o.QueryCredentials, cookie: o.Cookie, pages: newPages(o.Origins, o.Proxies),
		now: o.Now, revoked: newRevoked(), guesses: tries.NewGuard(keyTries), accepted: tries.NewGuard(keyTries), quit: make(chan struct{}),
	}
}

// watch begins to look after the keys that can change without the gateway.
func (a *Authenticator) watch(logger *slog.Logger) {
	if a.keys.file.Name != "" {
		a.group.Go(func() { a.keys.file.Watch(a.quit, func() { _ = a.keys.reload() }) }) // it logs its errors
	}
	if a.pem != nil {
		a.group.Go(func() { a.pem.file.Watch(a.quit, func() { _ = a.pem.reload(logger) }) })
	}
	if a.jwks != nil {
		a.group.Go(func() { a.jwks.watch(a.quit) })
	}
}

// tokenKeys returns the keys that verify tokens of other issuers, or nil if none are configured.
func (a *Authenticator) tokenKeys(o Options) (keySet, error) {
	switch {
	case len(o.Secrets) > 0:
		return secretKeys(o.Secrets), nil
	case o.PublicKeyFile != "":
		a.pem = &pemFile{file: filewatch.File{Name: o.PublicKeyFile}}
		return a.pem, a.pem.load()
	case o.JWKSURL != "":
		a.jwks = newJWKS(o)
		return a.jwks, nil
	}
	return nil, nil
}

// Close stops watching the files, and fetching keys. It waits for the effects of changes.
func (a *Authenticator) Close() error {
	a.once.Do(func() { close(a.quit) })
	a.group.Wait()
	if a.backend != nil {
		a.backend.Close()
	}
	if a.keys.store != nil {
		a.keys.store.effects.Wait()
		a.keys.minters.effects.Wait()
		a.revoked.effects.Wait()
	}
	return nil
}

// HasKey reports whether a value is an API key that is in force.
func (a *Authenticator) HasKey(value string) bool { return a.keys.find(value) != nil }

// KeysReady reports whether tokens can be checked. With JWT_JWKS_URL, they cannot until it was fetched once.
func (a *Authenticator) KeysReady() bool { return a.jwks == nil || a.jwks.ready() }

// Reload reads API_KEYS_FILE and JWT_PUBLIC_KEY_FILE again, and starts a fetch of JWT_JWKS_URL. After an error, the last
// good keys stay in force.
func (a *Authenticator) Reload() error {
	err := a.keys.reload()
	if a.pem != nil {
		err = errors.Join(err, a.pem.reload(a.keys.logger))
	}
	if a.jwks != nil {
		a.jwks.refresh()
	}
	return err
}

// Authenticate returns the identity that the credentials stand for together. One invalid credential refuses the
// request, even if another one is valid. A gateway of several asks first whether it is behind, before it refuses a
// credential that another one may have made.
func (a *Authenticator) Authenticate(ctx context.Context, c Carriers) (*Identity, *Error) {
	var room [2]string // most requests have one
	sent, err := c.distinct(room[:0])
	switch {
	case err != nil:
		return nil, err
	}
	q := a.question(c)
	switch {
	case q != nil:
		return a.decide(ctx, c, sent, q)
	case len(sent.values) == 0:
		return nil, missing(a.cookie)
	case sent.inQuery && !a.queryCredentials:
		return nil, errInQuery
	case sent.byCookie:
		if err := a.pages.check(&c); err != nil { // before a look at the value, so that hostile pages use up no tries of an address
			return nil, err
		}
	}
	ids := make([]*Identity, 0, 2)
	for _, v := range sent.values {
		id, err := a.admit(c.From, a.look(ctx, v))
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return join(ids), nil
}

// keyTries limits the wrong keys and tokens from one address. It allows many, because a client whose key was removed
// tries again and again. It allows too few to guess a key that a person made up.
var keyTries = tries.Limit{Burst: 300, Every: 200 * time.Millisecond}

// looked is what a credential turned out to be: a key, or else the identity of a token.
type looked struct {
	key *Key
	id  *Identity
	err *Error
}

// admit returns the identity of a credential from an address, and limits guesses. After too many of them, a key that a
// person may have made up is refused even if it is right; otherwise a different answer would reveal it. A long key, or a
// key or token that the gateway made, cannot be guessed, so it always passes if it is right.
func (a *Authenticator) admit(from string, l looked) (*Identity, *Error) {
	if l.key != nil {
		if !l.key.strong {
			if wait := a.guesses.Right(from, l.key.hash); wait > 0 {
				return nil, tooManyTries(wait)
			}
		}
		return a.keyIdentity(l.key)
	}
	if l.err != nil && l.err.guess {
		if wait := a.guesses.Wrong(from); wait > 0 {
			return nil, tooManyTries(wait)
		}
	}
	return l.id, l.err
}

// look finds a key, or else the identity of a token.
func (a *Authenticator) look(ctx context.Context, value string) (l looked) {
	behind := a.again(ctx, func() bool {
		if l.key = a.keys.find(value); l.key != nil {
			return !l.key.expired(a.now) // a later end may be on its way
		}
		l.id, l.err = a.token(value)
		return l.err != errUnknownKey && l.err != errTokenRevoked
	})
	if behind != nil {
		return looked{err: errBehind}
	}
	if l.err == errUnknownKey && a.ended.is(value) {
		l.err = a.ended.err
	}
	return l
}

// again calls look, and if it returns false, once more when this gateway has what the others had at the call.
func (a *Authenticator) again(ctx context.Context, look func() bool) error {
	s := a.keys.store
	if s == nil {
		look()
		return nil
	}
	first := true
	return s.log.Again(ctx, func() bool {
		if !first {
			s.effects.Wait() // only then the keys are in force
		}
		first = false
		return look()
	})
}

// token finds the identity of a token.
func (a *Authenticator) token(value string) (*Identity, *Error) {
	if strings.Count(value, ".") != 2 {
		return nil, errUnknownKey
	}
	if a.own != nil && isOwn(value) {
		// A token that we signed is never verified as that of another issuer, even if JWT_SECRET is the same. Otherwise it
		// would outlive the key that minted it.
		if a.tokens == nil || a.own.signed(value) {
			return a.own.verify(value)
		}
	}
	if a.tokens == nil {
		return nil, errNoTokens
	}
	return a.tokens.verify(value)
}

func (a *Authenticator) keyIdentity(k *Key) (*Identity, *Error) {
	if k.expired(a.now) {
		return nil, errKeyExpired
	}
	if id := k.identity.Load(); id != nil {
		return id, nil
	}
	id := &Identity{
		Name: k.Name, Kind: "key", Scope: "key\x00" + k.id, Expires: k.expires,
		Sub: k.Sub, Pub: k.Pub, Rest: k.Rest, keys: []*Key{k}, lives: []*grant.Life{k.life}, limiters: []*limiter{k.limiter},
	}
	if a.global { // REALTIME_GLOBAL is about /realtime only; documents still need a grant
		id.Sub, id.Pub = id.Sub.Union(channel.Everything()), id.Pub.Union(channel.Everything())
	}
	k.identity.Store(id)
	return id, nil
}
