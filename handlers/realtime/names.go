package realtime

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sluice/config/spelling"
	"sluice/handlers/httperr"
)

// parameters are those of a GET. Others are ignored, except names that are almost one of these: with ?channel=a instead
// of channels, a client would get everything that it may see.
var parameters = []string{"channels", "frames", "lastEventId", "stream", "types", "limit", "from", "after", "to", "until"}

// checkNames refuses a parameter that was probably meant to be another one.
func checkNames(query url.Values) error {
	for name := range query {
		if slices.Contains(parameters, name) {
			continue
		}
		for _, known := range parameters {
			if alike(plain(name), plain(known)) {
				written := strings.ToValidUTF8(name[:min(len(name), maxName)], "?")
				return httperr.New(http.StatusBadRequest, httperr.BadParameter, "unknown parameter %q; did you mean %q?", written, known)
			}
		}
	}
	return nil
}

// longName is the length from which one wrong letter cannot make another word: form is not from.
const longName = 5

// alike reports whether two plain names are the same; a long one may differ by one slip.
func alike(a, b string) bool {
	return a == b || min(len(a), len(b)) >= longName && len(a) <= maxName && spelling.Distance(a, b) == 1
}

// maxName is how long a name may be to be looked at.
const maxName = 40

// plain removes from a name what people get wrong: upper case, dashes, underscores, and a plural.
func plain(name string) string {
	if len(name) > maxName {
		return name
	}
	name = strings.ToLower(strings.NewReplacer("-", "", "_", "", "[]", "").Replace(name))
	return strings.TrimSuffix(name, "s")
}
