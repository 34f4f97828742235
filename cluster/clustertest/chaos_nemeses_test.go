//go:build linux

package clustertest_test

import (
	"context"
	"fmt"
	"time"

	"sluice/cluster/clustertest"
)

// nemesis harms a cluster, mends it, and checks what must be so meanwhile.
type nemesis struct {
	name string
	harm func(x *chaos, i int) // i: which of the processes, where there is a choice
	// hasty: it begins while the cluster may still recover from the one before.
	hasty bool
}

// generous is how much longer things may take than they should, as tests run beside others.
const generous = 3

var nemeses = []nemesis{
	{name: "gateway killed", harm: (*chaos).gatewayKilled},
	{name: "gateway stopped as planned", harm: (*chaos).gatewayStopped},
	{name: "gateway paused", harm: (*chaos).gatewayPaused},
	{name: "gateway with an emptied disk", harm: (*chaos).gatewayEmptied},
	{name: "gateway away too long", harm: (*chaos).gatewayTooOld, hasty: true}, // a snapshot can be made during an election
	{name: "leader killed", harm: (*chaos).leaderKilled},
	{name: "leader stopped as planned", harm: (*chaos).leaderStopped},
	{name: "server paused", harm: (*chaos).serverPaused},
	{name: "majority of servers killed", harm: (*chaos).majorityKilled},
	{name: "all servers killed", harm: (*chaos).allKilled},
	{name: "partition", harm: (*chaos).partition},
}

// run runs a nemesis and tells what publishers saw.
func (x *chaos) run(n nemesis, i int) measured {
	x.t.Helper()
	if !n.hasty {
		x.calm()
	}
	x.more(20)
	x.measure()
	began := time.Now()
	n.harm(x, i)
	x.more(20)
	m := x.measure()
	x.t.Logf("%s (%d), %.1f s: %v", n.name, i, time.Since(began).Seconds(), m)
	return m
}

// calm waits until the servers are in step and the gateways ready, as an operator does before the next planned stop. Without
// that, a leader may hand over to a server that has just come back, which takes an election.
func (x *chaos) calm() {
	x.t.Helper()
	for _, s := range x.c.Servers {
		s.AwaitReady(x.t)
	}
	for _, n := range x.c.Nodes {
		n.AwaitReady(x.t)
	}
	clustertest.Until(x.t, func() error {
		_, err := x.c.Node(0).Command("cluster", "status")
		return err
	})
}

// more waits until n more requests were acknowledged.
func (x *chaos) more(n int) {
	x.t.Helper()
	want := x.all() + n
	clustertest.Until(x.t, func() error {
		if all := x.all(); all < want {
			return fmt.Errorf("%d requests were acknowledged, want %d", all, want)
		}
		return nil
	})
}

// hold keeps the harm up while the clients go on.
func (x *chaos) hold(d time.Duration) { <-time.After(d) }

func (x *chaos) gatewayKilled(i int) {
	x.c.Node(i).Kill(x.t)
	x.more(100)
	x.pauseWithin("a gateway was killed", 0.5)
	x.c.Node(i).Restart(x.t)
}

// pauseWithin checks how long publishers had to wait so far.
func (x *chaos) pauseWithin(what string, bound float64) {
	x.t.Helper()
	x.record.mu.Lock()
	longest := x.longest.Seconds()
	x.record.mu.Unlock()
	x.t.Logf("%s: publishers waited for %.2f s at most", what, longest)
	within(x.t, what+": the pause", longest, bound*generous)
}

func (x *chaos) gatewayStopped(i int) {
	x.c.Node(i).Stop(x.t)
	x.more(100)
	x.pauseWithin("a gateway was stopped as planned", 0.5)
	x.c.Node(i).Restart(x.t)
}

func (x *chaos) gatewayPaused(i int) {
	x.c.Node(i).Pause(x.t)
	x.hold(20 * time.Second)
	x.pauseWithin("a gateway was paused", 0.5)
	x.c.Node(i).Resume(x.t)
	x.c.Node(i).AwaitReady(x.t)
}

func (x *chaos) leaderKilled(int) {
	leader := x.c.Leader(x.t)
	x.c.Server(leader).Kill(x.t)
	x.more(50)
	x.pauseWithin("the leader was killed", 9)
	x.record.mu.Lock()
	failures, failed := x.failures, fmt.Sprint(x.failed)
	x.record.mu.Unlock()
	if failures > 0 {
		x.t.Errorf("the leader was killed: %d publishes failed: %s", failures, failed)
	}
	x.c.Server(leader).Restart(x.t)
}

func (x *chaos) leaderStopped(int) {
	leader := x.c.Leader(x.t)
	x.c.Server(leader).Stop(x.t)
	x.more(50)
	x.pauseWithin("the leader was stopped as planned", 0.5)
	x.c.Server(leader).Restart(x.t)
}

func (x *chaos) serverPaused(i int) {
	x.c.Server(i).Pause(x.t)
	x.hold(15 * time.Second)
	x.c.Server(i).Resume(x.t)
	x.c.Server(i).AwaitReady(x.t)
}

// majorityKilled: publishing stops, streams do not.
func (x *chaos) majorityKilled(i int) {
	var streams []*watched
	for _, n := range x.c.Nodes {
		streams = append(streams, x.watch(n.URL()))
	}
	one, two := x.c.Server((i+1)%3), x.c.Server((i+2)%3)
	one.Kill(x.t)
	two.Kill(x.t)
	x.hold(14 * time.Second)
	for n, s := range streams {
		if ended := s.end(); ended != "" {
			x.t.Errorf("without a leader, a stream of gateway %d ended: %s", n, ended)
		}
		if err := x.c.Node(n).Ready(); err != nil {
			x.t.Errorf("without a leader, gateway %d is not ready: %v", n, err)
		}
	}
	one.Start(x.t)
	two.Start(x.t)
	one.AwaitReady(x.t)
	two.AwaitReady(x.t)
}

func (x *chaos) allKilled(int) {
	for _, s := range x.c.Servers {
		s.Kill(x.t)
	}
	for _, s := range x.c.Servers {
		s.Start(x.t)
	}
	for _, s := range x.c.Servers {
		s.AwaitReady(x.t)
	}
}

// cutOffMost is how long a gateway that is cut off may take to be not ready and to send its clients away, in seconds.
const cutOffMost = 5

// partition cuts a gateway with its server off from the others. It sends its clients away, and comes back.
//
// The time counts from the moment when the link is down until the line in the gateway's own log that says so. What the machine
// is late comes on top, since the gateway and its server take turns with all other processes: see lateness.
func (x *chaos) partition(i int) {
	stream := x.watch(x.c.Node(i).URL())
	x.c.Cut(x.t, i)
	began, late := time.Now(), measureLateness()
	var away time.Time
	clustertest.Until(x.t, func() (err error) {
		away, err = x.c.Node(i).Said("it sends its clients away", began)
		return err
	})
	took, allowed := away.Sub(began).Seconds(), generous*late.end().Seconds()
	if x.c.Node(i).Ready() == nil {
		x.t.Errorf("gateway %d is cut off and has sent its clients away, and is ready", i)
	}
	x.t.Logf("a gateway is cut off: not ready after %.2f s; %.2f s are allowed for a machine that is late", took, allowed)
	within(x.t, "to be not ready when it is cut off", took, cutOffMost+allowed)
	select {
	case <-stream.done:
		if stream.how != "busy" {
			x.t.Errorf("gateway %d is cut off: its stream ends with %q", i, stream.how)
		}
	case <-time.After(generous * time.Second):
		x.t.Errorf("gateway %d is cut off and not ready, and its stream goes on", i)
	}
	stream.end()
	x.more(50)
	x.hold(2 * time.Second)
	x.c.Heal(x.t, i)
	x.c.Node(i).AwaitReady(x.t)
}

// watched is a stream that is watched for its end.
type watched struct {
	cancel func()
	done   chan struct{}
	how    string // it ended; after done
}

// watch opens a stream.
func (x *chaos) watch(url string) *watched {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watched{cancel: cancel, done: make(chan struct{})}
	x.reading.Go(func() {
		defer close(w.done)
		if c := x.connect(ctx, url, "", 1<<30); c != nil && ctx.Err() == nil {
			w.how = c.ended
			if w.how == "" {
				w.how = "the connection"
			}
		}
	})
	return w
}

// end closes the stream, and returns how it has ended before; "": it has not.
func (w *watched) end() string {
	select {
	case <-w.done:
	default:
		w.cancel()
		<-w.done
	}
	return w.how
}
