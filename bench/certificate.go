package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// certificate writes a certificate for servers of this run, and its key, unless they are there.
func (b *bench) certificate() (cert, key string, err error) {
	cert, key = filepath.Join(b.bin, "cert.pem"), filepath.Join(b.bin, "key.pem")
	if _, err := os.Stat(cert); err == nil {
		return cert, key, nil
	}
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("making a key: %w", err)
	}
	now := time.Now()
	like := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), DNSNames: []string{"localhost"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(30 * 24 * time.Hour)}
	public, err := x509.CreateCertificate(rand.Reader, like, like, secret.Public(), secret)
	if err != nil {
		return "", "", fmt.Errorf("making a certificate: %w", err)
	}
	private, err := x509.MarshalECPrivateKey(secret)
	if err != nil {
		return "", "", fmt.Errorf("writing a key: %w", err)
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return "", "", err
	}
	return cert, key, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public}), 0o600)
}

// secureGateway is the gateway with TLS.
func secureGateway(settings ...string) func(*bench, string, string) *exec.Cmd {
	return func(b *bench, addr, dir string) *exec.Cmd {
		cert, key, err := b.certificate()
		if err != nil {
			return &exec.Cmd{Err: err}
		}
		return gateway(append(settings, "TLS_CERT_FILE="+cert, "TLS_KEY_FILE="+key)...)(b, addr, dir)
	}
}

// secureProgram is a floor with TLS.
func secureProgram(name string) func(*bench, string, string) *exec.Cmd {
	return func(b *bench, addr, dir string) *exec.Cmd {
		cert, key, err := b.certificate()
		if err != nil {
			return &exec.Cmd{Err: err}
		}
		return program(name, "-cert", cert, "-key", key)(b, addr, dir)
	}
}
