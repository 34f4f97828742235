package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sluice/config/filewatch"
)

// certificates serves a certificate from files that may be replaced while the gateway runs. If it cannot read a new
// pair, the last good one stays in use.
type certificates struct {
	cert, key filewatch.File
	logger    *slog.Logger
	loading   sync.Mutex
	current   atomic.Pointer[tls.Certificate]
	checked   atomic.Int64
}

func newCertificates(certFile, keyFile string, logger *slog.Logger) (*certificates, error) {
	c := &certificates{cert: filewatch.File{Name: certFile}, key: filewatch.File{Name: keyFile}, logger: logger}
	return c, c.load()
}

// loadCertificates reads the certificate that the settings name, if any.
func (g *Gateway) loadCertificates() (err error) {
	if g.cfg.TLSCertFile == "" {
		return nil
	}
	if g.certificates, err = newCertificates(g.cfg.TLSCertFile, g.cfg.TLSKeyFile, g.o.Logger); err != nil {
		return &SettingsError{err}
	}
	return nil
}

func (c *certificates) load() error {
	c.loading.Lock()
	defer c.loading.Unlock()
	cert, certErr := c.cert.Read()
	key, keyErr := c.key.Read() // even after an error: an unread file would count as changed each time
	err := errors.Join(certErr, keyErr)
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.X509KeyPair(cert, key); err == nil {
			c.current.Store(&pair)
		}
	}
	if err != nil {
		return fmt.Errorf("reading TLS_CERT_FILE and TLS_KEY_FILE: %w", err)
	}
	return nil
}

func (c *certificates) changed() bool { return c.cert.Changed() || c.key.Changed() }

// origin is the start of the time between checks. It is monotonic, so a step of the clock cannot delay a check.
var origin = time.Now()

// config checks the files when a client connects, at most once a second. So no goroutine has to watch them while no
// client connects.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			now, last := int64(time.Since(origin)), c.checked.Load()
			if now-last > int64(time.Second) && c.checked.CompareAndSwap(last, now) && c.changed() {
				if err := c.load(); err != nil {
					c.logger.Error("the certificate changed and cannot be read; the last good one stays in use", "cause", err)
				}
			}
			return c.current.Load(), nil
		},
	}
}
