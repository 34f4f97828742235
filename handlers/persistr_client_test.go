package handlers_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// Of a row of the unnamed namespace @persistr/js 4.5 makes no stream, unless that is an empty list; all others, and rows of
// one namespace, have the name as it is. What the client makes of the list is read as the unnamed namespace.
func TestRowsForThePublishedClient(t *testing.T) {
	t.Parallel()
	g := withDemo(t)
	g.store(t, "", "plain", "t", "1")
	g.store(t, "x", "s", "t", "1")
	for _, tt := range []struct {
		path, agent, kind string
		want              string
	}{
		{"/db/demo/streams", "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "application/json", `[]`},
		{"/db/demo/streams", "Mozilla/5.0", "application/json", `[]`},
		{"/db/demo/streams", "node", "application/json", `""`},
		{"/db/demo/streams", "curl/8.5.0", "application/json", `""`},
		{"/db/demo/streams", "Mozilla/5.0", "", `""`},
		{"/db/demo/ns//streams", "Mozilla/5.0", "application/json", `""`},
	} {
		r, err := http.NewRequest(http.MethodGet, g.URL+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", basic("demo", "demo"))
		r.Header.Set("User-Agent", tt.agent)
		r.Header.Set("Content-Type", tt.kind)
		answer, err := g.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatal(answer.Status, err)
		}
		other := strings.Contains(tt.path, "ns//")
		if strings.Count(string(text), `"ns":`+tt.want) != 1 || strings.Contains(string(text), `"ns":"x"`) == other {
			t.Errorf("%s by %s: %s", tt.path, tt.agent, text)
		}
	}
	for body, status := range map[string]int{
		`{"data":{},"meta":{"db":"demo","ns":[],"stream":"plain","type":"t","id":"2"}}`: 201,
		`{"data":{},"meta":{"db":"demo","ns":["x"],"stream":"s","type":"t"}}`:           400,
		`{"data":{},"meta":{"db":"demo","ns":"","stream":[],"type":"t"}}`:               400,
	} {
		(&scenario{Name: body, Path: "/events", Key: "-", Headers: map[string]string{"Authorization": basic("demo", "demo")}, Body: body, Status: status}).Run(t, g.Gateway)
	}
	(&scenario{Name: "read", Path: "/db/demo/ns//streams/plain/events/2", Key: "-", Headers: map[string]string{"Authorization": basic("demo", "demo")}, Status: 200, Has: []string{`"ns":""`}}).Run(t, g.Gateway)
}
