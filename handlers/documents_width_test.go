package handlers_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

// JSON with more fields than a document can have is refused before its fields are looked at: that one is there twice
// remains unseen.
func TestWideBodies(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, `"%s":0,`, strconv.FormatInt(int64(i), 36))
	}
	wide := "{" + b.String() + `"twice":0,"twice":0}`
	if got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "POST", "c", `{"_id":"1"}`); got[:3] != "201" {
		t.Fatal(got)
	}
	for _, tt := range []struct{ method, path, body string }{
		{"POST", "c", wide},
		{"POST", "c", "[{}," + wide + ",{}]"},
		{"PUT", "c/1", wide},
		{"PATCH", "c/1", wide},
		{"PUT", "c/1", `{"$unset":` + wide + `}`},
		{"PUT", "c/*?q={}", wide},
	} {
		got, _ := g.RequestRest(t, gatewaytest.KeyDocs, tt.method, tt.path, tt.body)
		if !strings.HasPrefix(got, `413 {"message":"the document would have more than 65536 bytes (MAX_DOCUMENT)","code":"document_too_large"}`) {
			t.Errorf("%s %s: %.200s", tt.method, tt.path, got)
		}
	}
	const tooLarge = "the document would have more than 65536 bytes (MAX_DOCUMENT)"
	for _, one := range []struct{ method, path, body string }{
		{"POST", "/items/c", wide},
		{"POST", "/items/c", " [{}," + wide + ",{}]"},
		{"PATCH", "/items/c/1", wide},
		{"PATCH", "/items/c", `{"keys":["1"],"data":` + wide + `}`},
		{"PATCH", "/items/c", "[" + wide + "]"},
		{"SEARCH", "/items/c", `{"query":{"filter":` + wide + `}}`},
	} {
		status, text := g.Request(t, one.method, one.path, one.body, "x-apikey", gatewaytest.KeyDocs)
		if want := gatewaytest.Refusal("CONTENT_TOO_LARGE", tooLarge); status != 413 || gatewaytest.Normalize(text) != want {
			t.Errorf("%s %s: %d %.200s, want %s", one.method, one.path, status, text, want)
		}
	}
	s := g.Socket(t, gatewaytest.KeyDocs)
	for _, data := range []string{wide, "[{}," + wide + ",{}]"} {
		s.Send(`{"type":"items","collection":"c","action":"create","data":` + data + `}`)
		if got, err := s.Next(); err != nil || !strings.Contains(got, tooLarge) {
			t.Errorf("%.200s %v", got, err)
		}
	}
}
