//go:build linux

package clustertest_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"sluice/cluster/clustertest"
)

// gatewayEmptied: a gateway comes back without its data, and loads a snapshot.
func (x *chaos) gatewayEmptied(i int) {
	x.c.Node(i).Kill(x.t)
	if err := os.RemoveAll(x.c.Node(i).Dir()); err != nil {
		x.t.Fatal(err)
	}
	x.more(50)
	x.c.Node(i).Restart(x.t)
}

// gatewayTooOld: a gateway was away for longer than the journal keeps messages, and loads a snapshot.
func (x *chaos) gatewayTooOld(i int) {
	x.c.Node(i).Kill(x.t)
	_, last := x.journal()
	x.more(200)
	x.snapshot((i + 1) % len(x.c.Nodes))
	x.purge(last + 1)
	x.more(50)
	x.c.Node(i).Restart(x.t)
}

var snapshotPlace = regexp.MustCompile(`(?m)^place (\d+),`)

// snapshot asks for a snapshot that has all that is in the journal now. A gateway that has fallen behind may make one with less.
func (x *chaos) snapshot(by int) {
	x.t.Helper()
	_, now := x.journal()
	clustertest.Until(x.t, func() error {
		out, err := x.c.Node(by).Command("cluster", "snapshot")
		if err != nil {
			x.t.Fatal(err)
		}
		m := snapshotPlace.FindStringSubmatch(out)
		if m == nil {
			return fmt.Errorf("the command says no place: %s", out)
		}
		place, err := strconv.ParseUint(m[1], 10, 64)
		if err == nil && place < now {
			err = fmt.Errorf("the newest snapshot is of place %d, want one of %d", place, now)
		}
		return err
	})
}

func (x *chaos) jetStream() jetstream.JetStream {
	x.t.Helper()
	js, err := jetstream.New(x.c.Journal(x.t))
	if err != nil {
		x.t.Fatal(err)
	}
	return js
}

// journal returns the first and the last place of the journal.
func (x *chaos) journal() (first, last uint64) {
	x.t.Helper()
	js := x.jetStream()
	clustertest.Until(x.t, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), clustertest.Patience)
		defer cancel()
		s, err := js.Stream(ctx, clustertest.Stream)
		if err == nil {
			first, last = s.CachedInfo().State.FirstSeq, s.CachedInfo().State.LastSeq
		}
		return err
	})
	return first, last
}

// purge removes the journal's messages up to a place, and that one. The gateways that are there have applied them.
func (x *chaos) purge(upTo uint64) {
	x.t.Helper()
	js := x.jetStream()
	clustertest.Until(x.t, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), clustertest.Patience)
		defer cancel()
		s, err := js.Stream(ctx, clustertest.Stream)
		if err != nil {
			return err
		}
		return s.Purge(ctx, jetstream.WithPurgeSequence(upTo+1))
	})
}
