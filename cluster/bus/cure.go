package bus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"

	"github.com/nats-io/nats.go"
)

// cure tells what to do about a connection that could not be made.
func cure(err error, o Options) string {
	var remote *net.OpError
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)) && o.CA == "":
		return "set CLUSTER_CA to the file of the authority that signed the certificate of the server"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "CLUSTER_CA must be the file of the authority that signed the certificate of the server"
	case errors.As(err, new(x509.HostnameError)):
		return "CLUSTER_URL must have a name or address that is in the certificate of the server"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "the server needs another certificate"
	case errors.As(err, &remote) && remote.Op == "remote error", errors.Is(err, nats.ErrTLS): // the server has refused
		return "does the server want a certificate? CLUSTER_CERT and CLUSTER_KEY must be of the authority that it trusts"
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "the server has no TLS, which CLUSTER_CA, CLUSTER_CERT or tls:// in CLUSTER_URL demands: give the server a certificate"
	case isAuthError(err):
		return "CLUSTER_CREDENTIALS, or the user and password in CLUSTER_URL, must be of a user that the server knows"
	}
	return "is nats-server running there, and are CLUSTER_CREDENTIALS, CLUSTER_CA and CLUSTER_CERT right?"
}

func isAuthError(err error) bool {
	for _, one := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// loggedEvery is the time between two log lines about tries that fail: there are several a second.
const loggedEvery = 10 * time.Second

// tries logs why a connection cannot be made again. NATS calls it from one goroutine.
type tries struct {
	o    Options
	next time.Time // of a log line
}

func (f *tries) failed(err error) {
	now := time.Now()
	if now.Before(f.next) {
		return
	}
	f.next = now.Add(loggedEvery)
	f.o.Logger.Warn("NATS does not take the connection", "cause", err, "cure", cure(err, f.o))
}
