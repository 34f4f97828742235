//go:build unix

package peers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/cluster/bus"
	"sluice/cluster/clustertest"
	"sluice/cluster/peers"
)

// Three nodes at a real server know each other, answer, and find a second node with one name.
func TestNATS(t *testing.T) {
	t.Parallel()
	url := clustertest.NATS(t)
	open := func(node string, origin uint64) (*peers.Peers, error) {
		b, err := bus.Connect(bus.Options{URL: url, Cluster: "one", Node: node, Secret: strings.Repeat("s", 32)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		ctx, cancel := context.WithTimeout(context.Background(), clustertest.Patience)
		defer cancel()
		p, err := peers.Open(ctx, peers.Options{Network: b, Node: node, Origin: origin})
		if err == nil {
			p.Start(func() peers.State { return peers.State{Version: node} })
		}
		return p, err
	}
	all := map[string]*peers.Peers{}
	for i, node := range []string{"a", "b", "c"} {
		p, err := open(node, uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		large := 0
		if node == "c" {
			large = 900<<10 - 10
		}
		if err := p.Serve("x", func(_ context.Context, body []byte) ([]byte, error) {
			return append([]byte(node+string(body)), make([]byte, large)...), nil
		}); err != nil {
			t.Fatal(err)
		}
		all[node] = p
	}
	for _, p := range all {
		clustertest.Until(t, func() error {
			if n, away := p.Counts(); n != 3 || away != 0 {
				return fmt.Errorf("%d nodes, %d away", n, away)
			}
			return nil
		})
	}
	clustertest.Until(t, func() error {
		for i, a := range all["a"].Ask(context.Background(), "x", []byte("?")) {
			if want := string("abc"[i]) + "?"; a.Err != nil || !strings.HasPrefix(string(a.Body), want) || (len(a.Body) > 900<<10-1000) != (i == 2) {
				return fmt.Errorf("%s: %v, %d bytes", a.Node, a.Err, len(a.Body))
			}
		}
		got, err := all["a"].AskOne(context.Background(), "b", "x", []byte("!"))
		if err == nil && string(got) != "b!" {
			err = fmt.Errorf("%q", got)
		}
		return err
	})
	if second, err := open("b", 9); err == nil {
		second.Close()
		t.Error("a second b started")
	} else if !strings.Contains(err.Error(), "CLUSTER_NODE") {
		t.Error(err)
	}
	all["b"].Close()
	clustertest.Until(t, func() error {
		if n, _ := all["a"].Counts(); n != 2 {
			return errors.New("b has left, and is still there")
		}
		return nil
	})
	again, err := open("b", 10)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	again.Close()
	if took := time.Since(begin); took > clustertest.Patience {
		t.Error(took)
	}
}
