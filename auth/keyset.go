package auth

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth/grant"
	"sluice/config/filewatch"
)

// keySet has the keys that can verify a token's signature.
type keySet interface {
	// algorithms returns all algorithms that a key of the set may ever have.
	algorithms() []string
	// find returns the keys for an algorithm and a kid, which may be "".
	find(alg, kid string) ([]*verificationKey, error)
}

// verificationKey is a key that verifies signatures.
type verificationKey struct {
	kid  string // "" if the set has no names for its keys
	algs []string
	key  jwt.VerificationKey
	life *grant.Life // ends when the key leaves its set; nil if it never does
}

// same reports whether two public keys verify the same tokens. The same kid with a different key is not the same.
func (k *verificationKey) same(o *verificationKey) bool {
	public, ok := k.key.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.kid == o.kid && slices.Equal(k.algs, o.algs) && public.Equal(o.key)
}

// keyList has the keys of a set, which may be replaced.
type keyList struct {
	mu   sync.RWMutex
	keys []*verificationKey
}

func (l *keyList) filter(fits func(*verificationKey) bool) []*verificationKey {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var out []*verificationKey
	for _, k := range l.keys {
		if fits(k) {
			out = append(out, k)
		}
	}
	return out
}

// replace puts new keys in force and returns those that are gone. A key that stays keeps its life, so that the streams of
// its tokens go on. The life of a key that is gone ends.
func (l *keyList) replace(next []*verificationKey) (gone []*verificationKey) {
	l.mu.Lock()
	old := l.keys
	for i, k := range next {
		if at := slices.IndexFunc(old, k.same); at >= 0 {
			next[i] = old[at]
		} else {
			k.life = grant.NewLife()
		}
	}
	l.keys = next
	l.mu.Unlock()
	for _, k := range old {
		if !slices.Contains(next, k) {
			k.life.End(grant.Revoked)
			gone = append(gone, k)
		}
	}
	return gone
}

// secrets is the set of JWT_SECRET, or that of the gateway's own secret. It changes only with a restart, which ends all
// streams.
type secrets struct {
	algs []string
	keys []*verificationKey
}

func newSecrets(list []string, algs ...string) *secrets {
	s := &secrets{algs: algs}
	for _, text := range list {
		s.keys = append(s.keys, &verificationKey{algs: algs, key: []byte(text)})
	}
	return s
}

func secretKeys(list []string) *secrets { return newSecrets(list, "HS256", "HS384", "HS512") }

func (s *secrets) algorithms() []string { return s.algs }

func (s *secrets) find(alg, _ string) ([]*verificationKey, error) {
	if !slices.Contains(s.algs, alg) {
		return nil, nil
	}
	return s.keys, nil
}

// pemFile is the set of JWT_PUBLIC_KEY_FILE.
type pemFile struct {
	file    filewatch.File
	loading sync.Mutex
	keyList
}

func (p *pemFile) algorithms() []string { return publicAlgorithms }

// find ignores the kid: keys in a PEM file have none.
func (p *pemFile) find(alg, _ string) ([]*verificationKey, error) {
	return p.filter(func(k *verificationKey) bool { return slices.Contains(k.algs, alg) }), nil
}

// load reads the file. After an error, the last good keys stay in force.
func (p *pemFile) load() error {
	p.loading.Lock()
	defer p.loading.Unlock()
	text, err := p.file.Read()
	if err != nil {
		return &SettingError{"JWT_PUBLIC_KEY_FILE", fmt.Errorf("cannot be read: %w", err)}
	}
	keys, err := pemKeys(text)
	if err != nil {
		return &SettingError{"JWT_PUBLIC_KEY_FILE", err}
	}
	p.replace(keys)
	return nil
}

func (p *pemFile) reload(logger *slog.Logger) error {
	err := p.load()
	if err != nil {
		err = fmt.Errorf("%w; the last good keys stay in force", err)
		logger.Error("the keys in JWT_PUBLIC_KEY_FILE changed, but cannot be used", "cause", err)
		return err
	}
	logger.Info("keys of JWT_PUBLIC_KEY_FILE loaded")
	return nil
}

// pemKeys reads public keys and certificates. It refuses a private key, which the gateway must not have.
func pemKeys(text []byte) ([]*verificationKey, error) {
	var keys []*verificationKey
	for n := 1; ; n++ {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		key, err := pemKey(block)
		if err != nil {
			return nil, fmt.Errorf("block %d (%s) %w", n, block.Type, err)
		}
		algs := algorithmsOf(key)
		if err := checkKey(key, algs); err != nil {
			return nil, fmt.Errorf("block %d (%s) %w", n, block.Type, err)
		}
		keys = append(keys, &verificationKey{algs: algs, key: key})
	}
	if len(keys) == 0 {
		return nil, errors.New("has no PEM block")
	}
	return keys, nil
}

func pemKey(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return c.PublicKey, nil
	}
	return nil, errors.New("is not a public key")
}

const minRSA = 2048

func checkKey(key any, algs []string) error {
	if len(algs) == 0 {
		return errors.New("is of an unsupported kind; supported are RSA, EC P-256/384/521 and Ed25519")
	}
	if k, ok := key.(*rsa.PublicKey); ok && k.N.BitLen() < minRSA {
		return fmt.Errorf("is an RSA key of %d bits; it must have %d or more", k.N.BitLen(), minRSA)
	}
	return nil
}
