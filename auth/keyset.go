package auth

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// fixedKeys are secrets, or the public keys of a PEM file.
type fixedKeys struct {
	algs []string
	keys []fixedKey
}

type fixedKey struct {
	algs []string
	key  jwt.VerificationKey
}

func (f *fixedKeys) algorithms() []string { return f.algs }

func (f *fixedKeys) generation() uint64 { return 0 }

// find tries all that fit, whatever the kid: a file of keys has none.
func (f *fixedKeys) find(alg, _ string) ([]jwt.VerificationKey, error) {
	var out []jwt.VerificationKey
	for _, k := range f.keys {
		if slices.Contains(k.algs, alg) {
			out = append(out, k.key)
		}
	}
	return out, nil
}

func secretKeys(secrets []string) *fixedKeys {
	algs := []string{"HS256", "HS384", "HS512"}
	f := &fixedKeys{algs: algs}
	for _, s := range secrets {
		f.keys = append(f.keys, fixedKey{algs, []byte(s)})
	}
	return f
}

// pemKeys reads public keys and certificates. A private key is refused: it has no place here.
func pemKeys(text []byte) (*fixedKeys, error) {
	f := &fixedKeys{}
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
		f.keys = append(f.keys, fixedKey{algs, key})
		f.algs = append(f.algs, algs...)
	}
	if len(f.keys) == 0 {
		return nil, errors.New("holds no PEM block")
	}
	return f, nil
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
	return nil, errors.New("is no public key")
}

const minRSA = 2048

func checkKey(key any, algs []string) error {
	if len(algs) == 0 {
		return errors.New("is of a kind that is not taken: RSA, EC P-256/384/521 and Ed25519 are")
	}
	if k, ok := key.(*rsa.PublicKey); ok && k.N.BitLen() < minRSA {
		return fmt.Errorf("is an RSA key of %d bits; %d or more are taken", k.N.BitLen(), minRSA)
	}
	return nil
}
