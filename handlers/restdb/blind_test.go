package restdb_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

const (
	keyBlind       = "key-blind-0123456789"
	keyBlindReader = "key-blind-reader-0123456789"
)

// A client that may change documents but not read them learns nothing of what they hold: neither by an answer nor by which
// documents a query finds, nor by whether an operator can be applied. Nothing is changed by what is refused.
func TestBlindChanges(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments, func(s *setup) {
		s.APIKeys = strings.TrimSuffix(documentKeys, "]") + fmt.Sprintf(`,{"name":"blind","key":%q,"rest":["POST:c","PUT:c","DELETE:c","GET:other"]},
			{"name":"blind-reader","key":%q,"rest":["GET:c","PUT:c","DELETE:c"]}]`, keyBlind, keyBlindReader)
	})
	if got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "POST", "c", `[{"_id":"1","secret":"abc","n":42},{"_id":"2","secret":"def","n":7}]`); !strings.HasPrefix(got, "201") {
		t.Fatal(got)
	}
	query := func(q string) string { return "c/*?q=" + url.QueryEscape(q) }
	for _, refused := range []exchange{
		{"DELETE", query(`{}`), "", ""},
		{"DELETE", query(`{"secret":"abc"}`), "", ""},
		{"DELETE", query(`{"secret":"none"}`), "", ""},
		{"DELETE", query(`{"secret":{"$regex":"^a"}}`) + "&max=1", "", ""},
		{"DELETE", query(`{}`) + "&filter=abc", "", ""},
		{"DELETE", query(`{}`) + "&max=0", "", ""},
		{"DELETE", query(`{"$frob":1}`), "", ""},
		{"PUT", "c/1", `{"$inc":{"n":1}}`, ""},
		{"PUT", "c/1", `{"$inc":{"n":9223372036854775800}}`, ""},
		{"PUT", "c/1", `{"$inc":{"secret":1}}`, ""},
		{"PUT", "c/1", `{"$set":{"secret.x":1}}`, ""},
		{"PUT", "c/1", `{"$unset":{"n":1}}`, ""},
		{"PATCH", "c/1", `{"$push":{"n":1}}`, ""},
		{"PATCH", "c/1", `{"a":1,"$max":{"n":50}}`, ""},
		{"PATCH", "c/none", `{"$inc":{"n":1}}`, ""},
	} {
		got, _ := g.RequestRest(t, keyBlind, refused.method, refused.path, refused.body)
		if !strings.HasPrefix(got, `403 {"message":"`) || !strings.Contains(got, `give it \"GET:c\" too`) || strings.Contains(got, "abc") {
			t.Errorf("%s %s %s: %s", refused.method, refused.path, refused.body, got)
		}
	}
	if got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "GET", "c", ""); got != `200 [{"_id":"1","n":42,"secret":"abc"},{"_id":"2","n":7,"secret":"def"}]` &&
		got != `200 [{"_id":"1","secret":"abc","n":42},{"_id":"2","secret":"def","n":7}]` {
		t.Errorf("something was changed: %s", got)
	}
	for _, taken := range []exchange{
		{"PATCH", "c/1", `{}`, `200 {"_id":"1"}`},
		{"PATCH", "c/1?metafields=true", `{"a":1}`, `200 {"_id":"1"}`},
		{"PUT", "c/2", `{"b":1}`, `200 {"_id":"2"}`},
		{"DELETE", "c/*", `["2","none"]`, `200 {"result":["2"]}`},
	} {
		if got, _ := g.RequestRest(t, keyBlind, taken.method, taken.path, taken.body); got != taken.want {
			t.Errorf("%s %s %s: %s, want %s", taken.method, taken.path, taken.body, got, taken.want)
		}
	}
	for _, seen := range []exchange{
		{"PATCH", "c/1", `{"$inc":{"n":1}}`, `"n":43`},
		{"DELETE", query(`{"secret":"abc"}`), "", `{"result":["1"]}`},
	} {
		if got, _ := g.RequestRest(t, keyBlindReader, seen.method, seen.path, seen.body); !strings.HasPrefix(got, "200") || !strings.Contains(got, seen.want) {
			t.Errorf("%s %s %s: %s", seen.method, seen.path, seen.body, got)
		}
	}
}
