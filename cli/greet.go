package cli

import (
	"fmt"
	"io"
	"strings"

	"sluice/gateway"
)

// greet prints the next steps. On a first start these are commands to paste, later the name of the file with the key.
func greet(w io.Writer, first gateway.FirstKey, base string) {
	switch {
	case first.Made:
		fmt.Fprintf(w, "\nSluice is up. This first start made an API key that may do everything; it is shown only once.\n\n"+
			"Watch events in one terminal:\n\n  curl -N -H 'x-apikey: %[1]s' %[2]s/realtime\n\n"+
			"Publish one in another:\n\n  curl -H 'x-apikey: %[1]s' -H 'Content-Type: application/json' -d '{\"event\":\"hello\",\"data\":\"world\"}' %[2]s/realtime\n\n"+
			"Or watch them in a browser:\n\n  %[2]s/#apikey=%[1]s\n\n", first.Key, base)
		if first.File != "" {
			fmt.Fprintf(w, "The key is in the file %s. It is valid as long as no API_KEYS, JWT_*, AUTH_URL or ADMIN_KEY is set.\n\n", first.File)
		}
	case first.Key != "":
		fmt.Fprintf(w, "\nSluice is up at %s. The key of the first start is in %s:\n\n"+
			"  curl -N -H \"x-apikey: $(cat %s)\" %s/realtime\n\n", base, first.File, shellQuote(first.File), base)
	default:
		fmt.Fprintf(w, "\nSluice is up at %s\n\n", base)
	}
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
