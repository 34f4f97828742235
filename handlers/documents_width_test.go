package handlers_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// JSON with more fields than a document can have is refused before its fields are looked at: that one is there twice
// remains unseen.
func TestWideBodies(t *testing.T) {
	t.Parallel()
	g := withDocuments(t)
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, `"%s":0,`, strconv.FormatInt(int64(i), 36))
	}
	wide := "{" + b.String() + `"twice":0,"twice":0}`
	if got, _ := g.asked(t, keyDocs, "POST", "c", `{"_id":"1"}`); got[:3] != "201" {
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
		got, _ := g.asked(t, keyDocs, tt.method, tt.path, tt.body)
		if !strings.HasPrefix(got, `413 {"message":"the document would have more than 65536 bytes (MAX_DOCUMENT)","code":"document_too_large"}`) {
			t.Errorf("%s %s: %.200s", tt.method, tt.path, got)
		}
	}
	const told = "the document would have more than 65536 bytes (MAX_DOCUMENT)"
	for _, one := range []itemCall{
		{method: "POST", path: "/items/c", body: wide},
		{method: "POST", path: "/items/c", body: " [{}," + wide + ",{}]"},
		{method: "PATCH", path: "/items/c/1", body: wide},
		{method: "PATCH", path: "/items/c", body: `{"keys":["1"],"data":` + wide + `}`},
		{method: "PATCH", path: "/items/c", body: "[" + wide + "]"},
		{method: "SEARCH", path: "/items/c", body: `{"query":{"filter":` + wide + `}}`},
	} {
		one.name, one.key, one.status, one.want = one.method+" "+one.path, keyDocs, 413, refusal("CONTENT_TOO_LARGE", told)
		g.items(t, &one)
	}
	s := g.socket(t, keyDocs)
	for _, data := range []string{wide, "[{}," + wide + ",{}]"} {
		s.say(`{"type":"items","collection":"c","action":"create","data":` + data + `}`)
		if got, err := s.next(); err != nil || !strings.Contains(got, told) {
			t.Errorf("%.200s %v", got, err)
		}
	}
}
