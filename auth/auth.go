package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"sluice/broker/channel"
)

// Options are plain values out of the settings.
type Options struct {
	APIKeys     string // JSON list
	APIKeysFile string
	MadeKey     string // of a first start: it may do everything

	Secrets       []string // at most one of the three
	PublicKeyFile string
	JWKSURL       string

	Issuer, Audience       string
	Leeway                 time.Duration
	DefaultSub, DefaultPub []string

	Global           bool
	QueryCredentials bool
	PublishRate      float64
	Logger           *slog.Logger
	Now              func() time.Time
}

// Authenticator tells who a request is from.
type Authenticator struct {
	keys             *keyring
	tokens           *tokens // nil where tokens are not taken
	global           bool
	queryCredentials bool
	now              func() time.Time

	quit  chan struct{}
	group sync.WaitGroup
	once  sync.Once
}

// New reads keys and begins to watch their file. Its error joins *SettingError values.
func New(o Options) (*Authenticator, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Authenticator{
		keys:   &keyring{inline: o.APIKeys, file: o.APIKeysFile, made: o.MadeKey, defaultRate: o.PublishRate, logger: o.Logger},
		global: o.Global, queryCredentials: o.QueryCredentials, now: o.Now, quit: make(chan struct{}),
	}
	set, jwks, err := tokenKeys(o)
	if err = errors.Join(a.keys.load(), err); err != nil {
		return nil, err
	}
	if set != nil {
		a.tokens = newTokens(set, o, &limiters{perSecond: o.PublishRate, by: map[string]*limiter{}})
	}
	if o.APIKeysFile != "" {
		a.group.Go(func() { a.keys.watch(a.quit) })
	}
	if jwks != nil {
		a.group.Go(func() { jwks.watch(a.quit) })
	}
	return a, nil
}

func tokenKeys(o Options) (keySet, *jwks, error) {
	switch {
	case len(o.Secrets) > 0:
		return secretKeys(o.Secrets), nil, nil
	case o.PublicKeyFile != "":
		text, err := os.ReadFile(o.PublicKeyFile)
		if err != nil {
			return nil, nil, &SettingError{"JWT_PUBLIC_KEY_FILE", fmt.Errorf("cannot be read: %w", err)}
		}
		keys, err := pemKeys(text)
		if err != nil {
			return nil, nil, &SettingError{"JWT_PUBLIC_KEY_FILE", err}
		}
		return keys, nil, nil
	case o.JWKSURL != "":
		j := newJWKS(o.JWKSURL, o.Logger, o.Now)
		return j, j, nil
	}
	return nil, nil, nil
}

// Close ends what New began.
func (a *Authenticator) Close() error {
	a.once.Do(func() { close(a.quit) })
	a.group.Wait()
	return nil
}

// Reload reads the key file again; on an error the last good keys stay.
func (a *Authenticator) Reload() error { return a.keys.reload() }

// Authenticate tells who sent the credentials. One that is present and invalid refuses the request
// even beside a valid one.
func (a *Authenticator) Authenticate(c Carriers) (*Identity, *Error) {
	values, inQuery, err := c.distinct()
	switch {
	case err != nil:
		return nil, err
	case len(values) == 0:
		return nil, errMissing
	case inQuery && !a.queryCredentials:
		return nil, errInQuery
	}
	grants := make([]grant, 0, len(values))
	for _, v := range values {
		g, err := a.grant(v)
		if err != nil {
			return nil, err
		}
		grants = append(grants, g)
	}
	return join(grants), nil
}

func (a *Authenticator) grant(value string) (grant, *Error) {
	if k := a.keys.find(value); k != nil {
		return a.keyGrant(k)
	}
	if strings.Count(value, ".") != 2 {
		return grant{}, errUnknownKey
	}
	if a.tokens == nil {
		return grant{}, errNoTokens
	}
	return a.tokens.verify(value)
}

func (a *Authenticator) keyGrant(k *Key) (grant, *Error) {
	if !k.expires.IsZero() && !a.now().Before(k.expires) {
		return grant{}, errKeyExpired
	}
	g := grant{
		name: k.Name, kind: "key", scope: "key\x00" + string(k.hash[:]), expires: k.expires,
		sub: k.sub, pub: k.pub, key: k, limiter: k.limiter,
	}
	if a.global {
		g.sub, g.pub = g.sub.Union(channel.Everything()), g.pub.Union(channel.Everything())
	}
	return g, nil
}
