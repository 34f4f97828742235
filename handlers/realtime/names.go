package realtime

import (
	"net/url"
	"slices"
	"strings"
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
			if plain(name) == plain(known) {
				return badParameter(known, "is written so, and not %q", strings.ToValidUTF8(name[:min(len(name), 40)], "?"))
			}
		}
	}
	return nil
}

// plain is a name without what people get wrong: letters in the other case, dashes, underscores, and a plural.
func plain(name string) string {
	if len(name) > 40 {
		return name
	}
	name = strings.ToLower(strings.NewReplacer("-", "", "_", "", "[]", "").Replace(name))
	return strings.TrimSuffix(name, "s")
}
