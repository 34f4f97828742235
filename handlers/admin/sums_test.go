package admin

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"sluice/cluster/peers"
)

// figuresText is what /admin/stats has always answered: clients may depend on the names, and read it by eye in this order.
const figuresText = `{"time":"t","version":"v","started":"s","connections":1,"views":2,"events":3,"deliveries":4,"replayed":5,"gaps":6,"busy":7,"slow":8,` +
	`"refused":9,"bytes":10,"lagging":11,"lag_ms":12,"connections_by_kind":{"feed":{"tls":36},"stream":{"clear":37}},"goroutines":13,"draining":true,"memory":{"rss":14,"heap":15},` +
	`"log":{"bytes":16,"events":17,"oldest":"18","oldest_seconds":19,"newest":"20","retain_bytes":21,"retain_seconds":22,"damaged":23,"error":"e"},"node":"n",` +
	`"cluster":{"nodes":24,"missing":["m"],"connections":25,"events":26,"deliveries":27,"replayed":28,"gaps":29,"busy":30,"slow":31,"refused":32,"bytes":33,"lagging":34,"lag_ms":35,"connections_by_kind":{"stream":{"http2":38}}}}`

func TestFiguresAsJSON(t *testing.T) {
	t.Parallel()
	var s stats
	if err := json.Unmarshal([]byte(figuresText), &s); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s)
	if err != nil || string(text) != figuresText {
		t.Errorf("%s, %v", text, err)
	}
}

// everyone are peers that all answer.
type everyone struct {
	Peers
	answers []string
}

func (e everyone) Ask(context.Context, string, []byte) (all []peers.Answer) {
	for _, text := range e.answers {
		all = append(all, peers.Answer{Node: "n", Body: []byte(text)})
	}
	return append(all, peers.Answer{Node: "lost", Err: peers.ErrAway})
}

// Each figure of the gateways is in the sum; of the slowest client's delay it is the longest.
func TestSumsOfCluster(t *testing.T) {
	t.Parallel()
	second := strings.ReplaceAll(strings.Split(figuresText, `,"node"`)[0]+"}", `"lag_ms":12`, `"lag_ms":5`)
	all, missing := ask[stats](t.Context(), everyone{answers: []string{figuresText, second, second}}, askStats, nil)
	text, err := json.Marshal(sumsOf(all, missing))
	want := `{"nodes":3,"missing":["lost"],"connections":3,"events":9,"deliveries":12,"replayed":15,"gaps":18,"busy":21,"slow":24,"refused":27,"bytes":30,"lagging":33,"lag_ms":12,"connections_by_kind":{"feed":{"tls":108},"stream":{"clear":111}}}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v, want %s", text, err, want)
	}
}
