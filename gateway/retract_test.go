package gateway_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"sluice/gateway/gatewaytest"
)

// TestRetractInACluster: an event is retracted at any gateway, also at one that has not heard of it yet, and once. Streams of
// each gateway get the retraction.
func TestRetractInACluster(t *testing.T) {
	t.Parallel()
	p := gatewaytest.StartPair(t)
	gateways := []*gatewaytest.Gateway{p.A, p.B}
	streams := []*gatewaytest.Stream{p.A.Stream(t, gatewaytest.KeyAll, ""), p.B.Stream(t, gatewaytest.KeyAll, "")}
	for i := range 20 {
		id := gateways[i%2].Publish(t, `{"event":"a"}`)
		var mu sync.Mutex
		by := map[string]int{}
		var group sync.WaitGroup
		for n := range 4 {
			group.Go(func() {
				status, text := gateways[(n+i+1)%2].Request(t, "DELETE", "/realtime?id="+id, "", "x-apikey", gatewaytest.KeyAll)
				if status == 404 {
					text = ""
				} else if status != 200 {
					t.Errorf("%d %s", status, text)
				}
				mu.Lock()
				defer mu.Unlock()
				by[strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), `{"message":"OK","id":"`), `"}`)]++
			})
		}
		group.Wait()
		if len(by) != 2 || by[""] != 3 {
			t.Fatalf("four retracted %s: %v", id, by)
		}
		want := fmt.Sprintf(`{"event":"retract","data":{"id":"%s","channel":"a"}}`, id)
		for n, s := range streams {
			e := s.Event(t)
			if e.Name == "a" { // it may be retracted before it was sent
				e = s.Event(t)
			}
			if e.Name != "retract" || e.Data != want || by[e.ID] != 1 {
				t.Errorf("gateway %d: %+v, want %s, one of %v", n, e, want, by)
			}
		}
	}
	for n, g := range gateways {
		if names := g.History(t, gatewaytest.KeyAll, "?until=caught-up").Names; len(names) != 20 || names[0] != "retract" {
			t.Errorf("gateway %d has %v", n, names)
		}
	}
}
