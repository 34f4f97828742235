//go:build unix

package clustertest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sluice/cluster/clustertest"
)

// send publishes an event and returns its id.
func send(t *testing.T, url, text string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/realtime", strings.NewReader(fmt.Sprintf(`{"event":"e","data":%q}`, text)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Apikey", clustertest.Key)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var stored struct{ ID string }
	if answer.StatusCode != http.StatusOK || json.Unmarshal(body, &stored) != nil {
		t.Fatalf("publishing at %s: %d %s", url, answer.StatusCode, body)
	}
	return stored.ID
}

// received reads the log from its beginning until it has n events, and returns them as "ID DATA". As every client, it comes
// again if the gateway sends it away.
func received(t *testing.T, url string, n int) (events []string) {
	t.Helper()
	clustertest.Until(t, func() (err error) {
		events, err = readOnce(t, url, n)
		return err
	})
	return events
}

func readOnce(t *testing.T, url string, n int) (events []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clustertest.Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/realtime?from=earliest", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Apikey", clustertest.Key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	id, name := "", ""
	for lines := bufio.NewScanner(answer.Body); len(events) < n; {
		if !lines.Scan() {
			return nil, fmt.Errorf("the stream of %s ended after %q: %v", url, events, lines.Err())
		}
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			if name == "e" {
				events = append(events, id+" "+value)
			}
		case "":
			name = ""
		}
	}
	return events, nil
}

// Three gateways: what is published at each, and by the balancer, is the same log at all. They come back after each kind of
// end, and have the same state when they are stopped.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, 3)
	var want []string
	publish := func(url string) {
		t.Helper()
		text := fmt.Sprint(len(want))
		want = append(want, fmt.Sprintf(`%s {"event":"e","data":%q}`, send(t, url, text), text))
	}
	same := func(urls ...string) {
		t.Helper()
		for _, url := range urls {
			if got := received(t, url, len(want)); !slices.Equal(got, want) {
				t.Errorf("%s has %q, want %q", url, got, want)
			}
		}
	}
	everywhere := []string{c.Node(0).URL(), c.Node(1).URL(), c.Node(2).URL(), c.URL()}
	for _, url := range everywhere {
		publish(url)
	}
	same(everywhere...)

	c.Node(0).Kill(t)
	c.Node(1).Stop(t)
	publish(c.URL()) // only the third is there
	c.Node(0).Restart(t)
	c.Node(1).Restart(t)
	same(everywhere...)

	for _, n := range c.Nodes {
		n.Stop(t)
	}
	digest := c.Node(0).Verify(t)
	for i, n := range c.Nodes {
		if other := n.Verify(t); other != digest {
			t.Errorf("the state of gateway %d differs: %s, and of gateway 0 %s", i, other, digest)
		}
	}
}

// The leader of the journal is killed: publishing goes on by another.
func TestClusterLosesLeader(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, 3)
	send(t, c.URL(), "before")
	leader := c.Leader(t)
	c.Server(leader).Kill(t)
	send(t, c.URL(), "after")
	if now := c.Leader(t); now == leader {
		t.Errorf("the leader is still server %d", leader)
	}
	c.Server(leader).Restart(t)
	for _, n := range c.Nodes {
		if got := received(t, n.URL(), 2); !strings.Contains(got[1], "after") {
			t.Errorf("%s has %q", n.URL(), got)
		}
	}
}
