package realtime

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sluice/config/spelling"
	"sluice/handlers/httperr"
)

// parameters are those of a GET. Others are ignored, but for those that are nearly one of these: with ?channel=a in
// place of channels a client would get all that it may see.
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

// longName is from how many letters on a slip in one of them makes no other word: form is none of from.
const longName = 5

// alike reports whether two plain names are the same, but for a slip in a long one.
func alike(a, b string) bool {
	return a == b || min(len(a), len(b)) >= longName && len(a) <= maxName && spelling.Distance(a, b) == 1
}

// maxName is how long a name may be to be looked at.
const maxName = 40

// plain is a name without what people get wrong: letters in the other case, dashes, underscores, and a plural.
func plain(name string) string {
	if len(name) > maxName {
		return name
	}
	name = strings.ToLower(strings.NewReplacer("-", "", "_", "", "[]", "").Replace(name))
	return strings.TrimSuffix(name, "s")
}
