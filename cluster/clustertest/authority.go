//go:build unix

package clustertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Authority signs the certificates of a test.
type Authority struct {
	File string // its certificate

	dir    string
	parent *x509.Certificate
	key    *ecdsa.PrivateKey
}

// NewAuthority makes an authority.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{dir: t.TempDir()}
	a.File, _ = a.sign(t, "authority")
	return a
}

// Issue makes a certificate for servers and clients on loopback, and returns the files of it and its key.
func (a *Authority) Issue(t testing.TB, name string) (cert, key string) {
	t.Helper()
	return a.sign(t, name)
}

// sign makes a certificate. The first one is that of the authority, which signs itself.
func (a *Authority) sign(t testing.TB, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if a.parent == nil {
		cert.IsCA, cert.BasicConstraintsValid, cert.KeyUsage, cert.ExtKeyUsage, cert.IPAddresses = true, true, x509.KeyUsageCertSign, nil, nil
		a.parent, a.key = cert, key
	}
	signed, err := x509.CreateCertificate(rand.Reader, cert, a.parent, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+"-key.pem")
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return certFile, keyFile
}

// TLS returns an edit of the configuration for StartServers: all connections have TLS, and both sides show certificates of
// the authority.
func (a *Authority) TLS(t testing.TB) func(conf string) string {
	t.Helper()
	cert, key := a.Issue(t, "server")
	return func(conf string) string {
		return strings.NewReplacer("/etc/nats/server.pem", cert, "/etc/nats/server-key.pem", key, "/etc/nats/ca.pem", a.File).Replace(Activate(conf, "tls"))
	}
}

// Activate takes the comment signs away from the blocks of a name that the configuration has as examples.
func Activate(conf, block string) string {
	var text strings.Builder
	within := false
	for line := range strings.Lines(conf) {
		within = within || strings.TrimSpace(line) == "# "+block+" {"
		if within {
			within = strings.TrimSpace(line) != "# }"
			line = strings.Replace(line, "# ", "", 1)
		}
		text.WriteString(line)
	}
	return text.String()
}
