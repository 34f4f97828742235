//go:build linux

package clustertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"sluice/broker/sse/ssetest"
	"sluice/cluster/clustertest"
)

// pushed checks the room: numbers without a hole, the same at all gateways, each acknowledged push once.
func (x *chaos) pushed() {
	x.t.Helper()
	if _, f := x.do(x.urls[0], http.MethodPost, "/room/"+room+"/send", `{"type":"push","key":"end","value":"end","action":{"type":"append"}}`); f != acked {
		x.t.Fatal("the last push was not taken")
	}
	var first []string
	for i, n := range x.c.Nodes {
		all := x.roomLog(n.URL())
		if i == 0 {
			first = all
			there := map[string][]string{}
			for n, text := range all {
				there[text] = append(there[text], fmt.Sprint(n+1))
			}
			x.compare("pushes", x.pushes, there)
		}
		if !slices.Equal(all, first) {
			x.t.Errorf("the room of gateway %d has %d pushes, that of gateway 0 %d, or others", i, len(all), len(first))
		}
	}
}

// roomLog returns the values of all pushes of the room, by their numbers.
func (x *chaos) roomLog(url string) (values []string) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), clustertest.Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/room/"+room+"/events", nil)
	if err != nil {
		x.t.Fatal(err)
	}
	answer, err := (&http.Client{Transport: x.client.Transport}).Do(r)
	if err != nil {
		x.t.Fatal(err)
	}
	defer answer.Body.Close()
	var parser ssetest.Parser
	for piece := make([]byte, 64<<10); ; {
		n, err := answer.Body.Read(piece)
		frames, bad := parser.Feed(piece[:n])
		for _, e := range frames {
			var p struct {
				Value string
				Seq   int
			}
			if e.Name != "push" {
				continue
			}
			if err := json.Unmarshal([]byte(e.Data), &p); err != nil || p.Seq != len(values)+1 {
				x.t.Fatalf("%s: push %d is %s: %v", url, len(values)+1, e.Data, err)
			}
			if values = append(values, p.Value); p.Value == "end" {
				return values
			}
		}
		if err != nil || bad != nil {
			x.t.Fatalf("%s: the room's stream ended after %d pushes: %v %v", url, len(values), err, bad)
		}
	}
}

// documents checks documents and the counter.
func (x *chaos) documents() {
	x.t.Helper()
	for i, n := range x.c.Nodes {
		var docs []struct {
			ID string `json:"_id"`
		}
		a := x.call(n.URL(), http.MethodGet, `/rest/docs?h={"$max":100000}`, "")
		if err := json.Unmarshal([]byte(a.text), &docs); err != nil {
			x.t.Fatalf("documents: %d %s %v", a.status, a.text, err)
		}
		there := map[string][]string{}
		for _, d := range docs {
			there[d.ID] = append(there[d.ID], d.ID)
		}
		x.compare(fmt.Sprintf("documents of gateway %d", i), x.docs, there)
		var counter struct{ N int }
		a = x.call(n.URL(), http.MethodGet, "/rest/counters/counter", "")
		if err := json.Unmarshal([]byte(a.text), &counter); err != nil || counter.N < x.inc || counter.N > x.inc+x.incMay {
			x.t.Errorf("gateway %d has counted to %d: %d increments were acknowledged, and %d may have been made: %v", i, counter.N, x.inc, x.incMay, err)
		}
	}
	if x.inc < 10 {
		x.t.Errorf("only %d increments: the test tests nothing", x.inc)
	}
}

// keysChecked bounds the keys that are tried: wrong tries are limited.
const keysChecked = 5

// keys checks that keys which were made work at all gateways, and those which were deleted at none.
func (x *chaos) keys() {
	x.t.Helper()
	for what, of := range map[int]map[string]bool{http.StatusOK: x.kept, http.StatusUnauthorized: x.gone} {
		tried := 0
		for key := range of {
			if tried++; tried > keysChecked {
				break
			}
			for i, n := range x.c.Nodes {
				if a := x.call(n.URL(), http.MethodPost, "/realtime", event("last"), "X-Apikey", key); a.status != what {
					x.t.Errorf("gateway %d: a key is answered %d %s %v, want %d", i, a.status, a.text, a.err, what)
				}
			}
		}
	}
}
