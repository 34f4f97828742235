//go:build linux

package clustertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sluice/cluster/clustertest"
)

// A cluster is upgraded one gateway at a time to a version with a newer level of the formats, under load. Nothing is lost, no
// gateway stops by itself, and the first one may go back to the old version. The new level is written when all can read it. Then the
// old version says what is wrong and changes nothing, and the new one goes on with its folder.
func TestChaosUpgrade(t *testing.T) {
	x := startChaos(t, clustertest.Start(t, 3))
	x.more(20)
	for _, step := range []struct {
		gateway int
		up      bool
	}{{0, true}, {0, false}, {0, true}, {1, true}} {
		n := x.c.Node(step.gateway)
		n.Stop(t)
		if step.up {
			n.Upgrade(t)
		} else {
			n.Downgrade(t)
		}
		n.Restart(t)
		x.more(100)
		x.levels(1)
	}
	if out, _ := x.c.Node(0).Command("cluster", "status"); !strings.Contains(out, "1, reads up to 2") || !strings.Contains(out, "they were there: gateway-2\n") {
		t.Errorf("the status is %s", out) // servers may still be getting in step, so the exit code may be any
	}
	last := x.c.Node(2)
	last.Stop(t)
	last.Upgrade(t)
	x.hold(3 * time.Second) // the others look each 2 seconds whether they may raise the level
	x.more(50)
	x.levels(1) // it is not there, and counts
	_, stopped := x.journal()
	last.Restart(t)
	x.levels(2)
	x.more(100)
	for i, n := range x.c.Nodes {
		if !n.Running() {
			t.Errorf("gateway %d has ended:\n%s", i, n.Logs())
		}
	}
	x.written(stopped)
	t.Logf("during the upgrade: %v", x.measure())

	last.Stop(t)
	last.Downgrade(t)
	x.refuses(last, "the log in DATA_DIR "+last.Dir()+" has the format 2", "up to 1: start a newer version")
	if err := os.Rename(last.Dir(), last.Dir()+".kept"); err != nil {
		t.Fatal(err)
	}
	x.refuses(last, "loading a snapshot", "from here on, all write the format 2", "upgrade this gateway") // the first snapshot has the old format
	for range 2 {
		x.snapshot(0)
	}
	if err := os.Rename(last.Dir(), last.Dir()+".old"); err != nil {
		t.Fatal(err)
	}
	x.refuses(last, "each snapshot of the cluster has the format 2", "start a newer version")
	last.Upgrade(t)
	for _, kept := range []string{".old", ".kept"} { // the folder that stopped at the message, and the first one
		if err := os.RemoveAll(last.Dir()); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(last.Dir()+kept, last.Dir()); err != nil {
			t.Fatal(err)
		}
		last.Verify(t)
		last.Restart(t)
		x.more(20)
		last.Stop(t)
	}
	last.Restart(t)
	x.verdict()
}

// levels waits until each gateway that runs writes a level. One that reads a newer one names the gateway that does not.
func (x *chaos) levels(want int) {
	x.t.Helper()
	clustertest.Until(x.t, func() error {
		for i, n := range x.c.Nodes {
			if !n.Running() {
				continue
			}
			a := x.call(n.URL(), http.MethodGet, "/admin/cluster", "")
			var is clusterPage
			if err := json.Unmarshal([]byte(a.text), &is); err != nil {
				return fmt.Errorf("gateway %d: %d %s %w", i, a.status, a.text, err)
			}
			for _, node := range is.Nodes {
				if node.Self && (is.Writes != want || node.Writes != want || (node.Level > want) != slices.Contains(is.Older, "gateway-2")) {
					return fmt.Errorf("gateway %d: %s", i, a.text)
				}
			}
		}
		return nil
	})
}

// clusterPage is what /admin/cluster says of levels.
type clusterPage struct {
	Writes int
	Older  []string
	Nodes  []struct {
		Self          bool
		Level, Writes int
	}
}

// sealBytes are the bytes before the level of a message.
const sealBytes = 16

// written checks the levels of all messages of the journal: up to a place all have the old one, and the newest ones have the new one.
func (x *chaos) written(old uint64) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), clustertest.Patience)
	defer cancel()
	_, end := x.journal()
	s, err := x.jetStream().Stream(ctx, clustertest.Stream)
	if err != nil {
		x.t.Fatal(err)
	}
	consumer, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		x.t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		x.t.Fatal(err)
	}
	defer messages.Stop()
	first, counts := uint64(0), map[byte]int{}
	var level byte
	for place := uint64(0); place < end; {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			x.t.Fatal(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			x.t.Fatal(err)
		}
		if place = meta.Sequence.Stream; len(m.Data()) <= sealBytes {
			continue // the first message is empty
		}
		level = m.Data()[sealBytes]
		if counts[level]++; level == 2 && first == 0 {
			first = place
		}
	}
	if first <= old || level != 2 || len(counts) != 2 {
		x.t.Errorf("messages by their formats: %v; the first one of format 2 is at %d, want one after %d; the last one has %d", counts, first, old, level)
	}
	x.t.Logf("messages by their formats: %v; the first one of format 2 is at %d", counts, first)
}

// refuses starts a gateway that must end by itself, and say why.
func (x *chaos) refuses(n *clustertest.Node, says ...string) {
	x.t.Helper()
	n.Start(x.t)
	clustertest.Until(x.t, func() error {
		if n.Running() {
			return fmt.Errorf("it runs: %s", n.Logs())
		}
		return nil
	})
	for _, text := range says {
		if !strings.Contains(n.Logs(), text) {
			x.t.Errorf("it does not say %q:\n%s", text, n.Logs())
		}
	}
}
