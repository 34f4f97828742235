package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"sluice/auth"
	"sluice/client"
	"sluice/config"
)

// failure is an error as --json prints it.
type failure struct {
	Error  string `json:"error"`
	Code   string `json:"code"`             // the gateway's own, or one of those below
	Status int    `json:"status,omitempty"` // of the gateway's answer
	Exit   int    `json:"exit"`
}

// Codes of errors that are not a gateway's.
const (
	codeUsage       = "usage"       // of the arguments
	codeSettings    = "settings"    // of the settings
	codeUnreachable = "unreachable" // no gateway answers
	codeFailed      = "failed"
)

// unreachable is the error of a command that no gateway answers.
type unreachable struct{ error }

func (e unreachable) Unwrap() error { return e.error }

// cure is an error whose text is only what to do about it: the gateway's own text is for all kinds of clients.
type cure struct {
	text string
	error
}

func (e cure) Error() string { return e.text }

func (e cure) Unwrap() error { return e.error }

// exitCode prints an error. If the arguments are wrong, it also prints how to get the command's help.
func (s *Streams) exitCode(err error, cmd *cobra.Command) int {
	if err == nil {
		return exitOK
	}
	f := describe(err)
	if s.JSON {
		_ = printLine(s.Err, f) // there is no other place to report it
		return f.Exit
	}
	fmt.Fprintln(s.Err, "sluice:", harmless(f.Error))
	if f.Code == codeUsage {
		fmt.Fprintf(s.Err, "Try: %s --help\n", cmd.CommandPath())
	}
	return f.Exit
}

func describe(err error) failure {
	f := failure{Error: err.Error(), Exit: exitFailed}
	f.Code = codeFailed
	var status *client.StatusError
	switch {
	case errors.As(err, new(config.Faults)):
		f.Code, f.Exit = codeSettings, exitUsage
	case errors.As(err, new(usageError)):
		f.Code, f.Exit = codeUsage, exitUsage
	case errors.As(err, &status):
		f.Status = status.Status
		if status.Code != "" {
			f.Code = status.Code
		}
	case errors.As(err, new(unreachable)):
		f.Code = codeUnreachable
	}
	return f
}

// explain adds to an error of a request what the user can do about it.
func (a *access) explain(base string, err error) error {
	var status *client.StatusError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &status):
		return a.explainStatus(base, status, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return unreachable{fmt.Errorf("no gateway answers at %s (is it running there?): start one with sluice, or give its address by --url or SLUICE_URL", base)}
	case errors.As(err, new(*net.DNSError)):
		return unreachable{fmt.Errorf("%w; check the name in --url or SLUICE_URL", err)}
	case errors.As(err, new(x509.UnknownAuthorityError)), errors.As(err, new(x509.HostnameError)), errors.As(err, new(x509.CertificateInvalidError)):
		return unreachable{fmt.Errorf("%w; use the name that the certificate is for, and let SSL_CERT_FILE name its issuer's certificate if the system does not know it", err)}
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return unreachable{fmt.Errorf("%s does not speak TLS; begin --url with http://", base)}
	case errors.As(err, new(net.Error)):
		return unreachable{fmt.Errorf("%w; is a gateway running there? Its address is that of --url or SLUICE_URL", err)}
	}
	return err
}

func (a *access) explainStatus(base string, status *client.StatusError, err error) error {
	switch {
	case status.Code == "" && status.Status != http.StatusServiceUnavailable: // every error of a gateway has a code
		return fmt.Errorf("%w; is %s a gateway? Give its address by --url or SLUICE_URL", err, base)
	case status.Status == http.StatusUnauthorized && a.admin:
		return fmt.Errorf("%w; give the gateway's ADMIN_KEY in the variable ADMIN_KEY, or in a file named by --key-file", err)
	case status.Code == auth.MissingCredential:
		return cure{"no key is given; put an API key or a token into SLUICE_KEY, or into a file named by --key-file", err}
	case status.Status == http.StatusUnauthorized:
		return fmt.Errorf("%w; give a key that the gateway knows in SLUICE_KEY, or in a file named by --key-file", err)
	case status.Status == http.StatusForbidden:
		return fmt.Errorf("%w; use a key that may do it, or let the administrator change what this one grants", err)
	}
	return err
}
