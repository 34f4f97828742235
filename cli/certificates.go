package cli

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// certificates serves a certificate from files that may be replaced while running. A pair that
// cannot be read leaves the last good one in use.
type certificates struct {
	certFile, keyFile string
	logger            *slog.Logger
	current           atomic.Pointer[tls.Certificate]
	seen              atomic.Int64 // newest modification time loaded
	checked           atomic.Int64
}

func newCertificates(certFile, keyFile string, logger *slog.Logger) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile, logger: logger}
	return c, c.load()
}

func (c *certificates) load() error {
	modified := c.modified()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("reading TLS_CERT_FILE and TLS_KEY_FILE: %w", err)
	}
	c.current.Store(&pair)
	c.seen.Store(modified)
	return nil
}

func (c *certificates) modified() int64 {
	newest := int64(0)
	for _, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			newest = max(newest, info.ModTime().UnixNano())
		}
	}
	return newest
}

// config looks at the files when a client connects, at most once a second: no goroutine waits for
// a change that nobody would see.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			now, last := time.Now().UnixNano(), c.checked.Load()
			if now-last > int64(time.Second) && c.checked.CompareAndSwap(last, now) && c.modified() != c.seen.Load() {
				if err := c.load(); err != nil {
					c.logger.Error("the certificate changed and cannot be read; the last good one stays", "cause", err)
				}
			}
			return c.current.Load(), nil
		},
	}
}
