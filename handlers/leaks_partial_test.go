package handlers_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

// A client that may read some types of a database does not learn whether there is an event of another type: every request
// gets the answer for an event that does not exist.
func TestPartialReadersLearnNothingOfOthers(t *testing.T) {
	t.Parallel()
	const partial = "key-partial-0123456789"
	g := newGateway(t, gatewaytest.WithDemo, func(s *setup) {
		s.APIKeys = fmt.Sprintf(`[{"name":"partial","key":%q,"sub":["$db/demo:deposit"]}]`, partial)
	})
	g.Store(t, "", "s", "deposit", "seen")
	g.Store(t, "", "s", "secret", "hidden")
	if got := g.stranger(t, "key "+partial, "GET /db/demo/ns//streams/s/events/seen", ""); !strings.HasPrefix(got, "200") {
		t.Fatal(got)
	}
	for _, what := range []string{
		"GET /db/demo/ns//streams/s/events/ID",
		"GET /db/demo/ns//streams/s/events?until=caught-up&from=ID",
		"GET /db/demo/ns//streams/s/events?until=ID",
		"GET /db/demo/events?until=caught-up&after=s.ID",
	} {
		var answers [2]string
		for i, id := range []string{"hidden", "nowhere"} {
			answers[i] = strings.ReplaceAll(g.stranger(t, "key "+partial, strings.ReplaceAll(what, "ID", id), ""), id, "ID")
		}
		if answers[0] != answers[1] {
			t.Errorf("%s:\nhidden  %s\nnowhere %s", what, answers[0], answers[1])
		}
	}
}
