package cli

import (
	"strings"

	"github.com/spf13/pflag"

	"sluice/client"
)

// defaultURL is the URL of a gateway with default settings.
const defaultURL = "http://127.0.0.1:8080"

// gatewayURL is the URL of the gateway that a command uses. All commands take it in the same way.
type gatewayURL struct {
	URL string
}

func (g *gatewayURL) flags(f *pflag.FlagSet) {
	environmentVar(f, &g.URL, "url", "SLUICE_URL", "The gateway, as host:port or a `URL`; http://127.0.0.1:8080 where neither this nor SLUICE_URL is given.")
}

// base returns the address of the gateway without a slash at the end. Some commands take it as their argument too.
func (g *gatewayURL) base(argument string) (string, error) {
	address := argument
	if address == "" {
		address = g.URL
	}
	if address == "" {
		address = defaultURL
	}
	u, err := client.ParseAddress(address)
	if err != nil {
		return "", usageError{err} // without the address, which may contain a password
	}
	return strings.TrimRight(u.String(), "/"), nil
}
