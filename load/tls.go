package load

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
)

// secure returns how connections to a target use TLS, or nil for clear text. Protocol is the one to agree on.
func (o *Options) secure(target, protocol string) (*tls.Config, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "https" {
		return nil, nil // address has checked the target
	}
	c := &tls.Config{ServerName: u.Hostname(), NextProtos: []string{protocol}, MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.Insecure}
	if o.CA == "" {
		return c, nil
	}
	text, err := os.ReadFile(o.CA)
	if err != nil {
		return nil, fmt.Errorf("reading --ca: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--ca: %s has no certificate in PEM", o.CA)
	}
	return c, nil
}
