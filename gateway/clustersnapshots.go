package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/cluster/bus"
	"sluice/cluster/peers"
	"sluice/store/eventlog/journal"
	"sluice/store/panics"
)

// When a gateway makes a snapshot of its own accord. The journal keeps what two snapshots ago was still to come, so its size is
// bounded by the bytes; and at most as many bytes are written for snapshots as for the journal.
const (
	snapshotEvery    = time.Minute // the time between two looks
	snapshotAge      = time.Hour
	snapshotMessages = 10_000
	snapshotBytes    = 256 << 20
	snapshotsKept    = 2
	snapshotMost     = time.Hour // the longest time that one may take
	snapshotSubject  = "snapshot"
)

// snapshots makes the snapshots of a cluster. One of the gateways does: the first one by name of those that are there. If two
// think that they are it, two snapshots are made, which does no harm.
type snapshots struct {
	bus     *bus.Bus
	dataDir string
	version string
	backup  func(dir string) error
	peers   func() []peers.Peer // by name
	log     *slog.Logger
	asked   chan struct{}
	made    atomic.Int64 // when the newest one was made, in seconds since 1970; 0: not known
}

// snapshotAnswer is what a gateway answers to a request for a snapshot.
type snapshotAnswer struct {
	Node  string `json:"node"`
	Makes bool   `json:"makes"` // it makes one now
}

// openSnapshots begins to make snapshots, until Close.
func (g *Gateway) openSnapshots() error {
	if !g.clustered() {
		return nil
	}
	s := &snapshots{
		bus: g.bus, dataDir: g.cfg.DataDir, version: g.o.Version, backup: g.Log.Backup, log: g.o.Logger, asked: make(chan struct{}, 1),
		peers: g.peers.List,
	}
	if err := s.bus.Serve(snapshotSubject, s.answer); err != nil {
		return fmt.Errorf("listening to requests for snapshots: %w", err)
	}
	g.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_cluster_snapshot_age_seconds", Help: "Age of the cluster's newest snapshot, as this gateway knows it. -1: it knows of none.",
	}, s.age))
	ctx, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.run(ctx) })
	g.onClose(func() error {
		end()
		running.Wait()
		return nil
	})
	return nil
}

// first reports whether this gateway makes the snapshots.
func (s *snapshots) first() bool {
	for _, p := range s.peers() {
		if !p.Away && p.Ready {
			return p.Self
		}
	}
	return false
}

// lowest is the lowest place of the gateways that are there. What they have not applied stays in the journal.
func (s *snapshots) lowest() uint64 {
	lowest := uint64(math.MaxUint64)
	for _, p := range s.peers() {
		if !p.Away {
			lowest = min(lowest, p.Place)
		}
	}
	return lowest
}

// age is the age of the newest snapshot.
func (s *snapshots) age() float64 {
	made := s.made.Load()
	if made == 0 {
		return -1
	}
	return time.Since(time.Unix(made, 0)).Seconds()
}

// answer takes a request of `sluice cluster snapshot`.
func (s *snapshots) answer(_ []byte, answer func([]byte)) {
	a := snapshotAnswer{Node: s.bus.Node(), Makes: s.first()}
	if a.Makes {
		select {
		case s.asked <- struct{}{}:
		default: // one is asked for already
		}
	}
	if body, err := json.Marshal(a); err == nil {
		answer(body)
	}
}

// run makes snapshots until ctx ends.
func (s *snapshots) run(ctx context.Context) {
	tick := time.NewTicker(snapshotEvery)
	defer tick.Stop()
	for asked := false; ; {
		s.step(ctx, asked)
		asked = false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.asked:
			asked = true
		}
	}
}

// step makes a snapshot if it is due. What fails is tried again at the next step. A panic ends the step only: the cluster goes
// on without a snapshot.
func (s *snapshots) step(ctx context.Context, asked bool) {
	defer panics.Contain(s.log, "making a snapshot of the cluster")
	ctx, cancel := context.WithTimeout(ctx, snapshotMost)
	defer cancel()
	if err := s.make(ctx, asked); err != nil && !errors.Is(err, context.Canceled) {
		s.log.Error("making a snapshot of the cluster", "cause", err)
	}
}

func (s *snapshots) make(ctx context.Context, asked bool) error {
	state, err := look(ctx, s.bus)
	if err != nil {
		return err
	}
	all, err := journal.List(ctx, s.bus)
	if err != nil {
		return err
	}
	if len(all) > 0 {
		s.made.Store(all[0].Made.Unix())
	}
	if !s.first() || !asked && !due(state, all, time.Now()) {
		return nil
	}
	begun := time.Now()
	made, err := saveSnapshot(ctx, s.bus, s.dataDir, s.version, s.backup)
	if err != nil {
		return err
	}
	s.made.Store(made.Made.Unix())
	s.log.Info("made a snapshot of the cluster", "place", made.Place, "bytes", made.Size, "took", time.Since(begun).Round(time.Millisecond))
	kept, err := journal.Prune(ctx, s.bus, snapshotsKept)
	if err != nil || len(kept) < snapshotsKept {
		return err
	}
	return journal.Purge(ctx, s.bus, min(kept[len(kept)-1].Place, s.lowest()))
}

// due reports whether a snapshot is to be made.
func due(state journal.State, all []journal.Snapshot, now time.Time) bool {
	if len(all) == 0 {
		return true
	}
	newest := &all[0]
	if state.Last <= newest.Place {
		return false
	}
	moved, stored := state.Last-newest.Place, state.Last-state.First+1
	most := max(snapshotBytes, newest.Size)
	if state.Most > 0 {
		most = min(most, state.Most/4) // the journal must not drop what comes after the newest snapshot
	}
	if bytes := float64(state.Bytes) * float64(moved) / float64(max(stored, 1)); bytes > float64(most) {
		return true
	}
	return moved > snapshotMessages && now.Sub(newest.Made) > snapshotAge
}

// ErrNoGateway is the error of AskSnapshot if no gateway can make one.
var ErrNoGateway = errors.New("no gateway of the cluster answers: start one")

// AskSnapshot asks the gateways for a snapshot. It returns the name of the one that makes it, without waiting for it.
func AskSnapshot(ctx context.Context, b *bus.Bus, most time.Duration) (node string, err error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	err = b.Ask(ctx, snapshotSubject, nil, func(body []byte) bool {
		var a snapshotAnswer
		if json.Unmarshal(body, &a) == nil && a.Makes {
			node = a.Node
		}
		return node == ""
	})
	if err == nil && node == "" {
		err = ErrNoGateway
	}
	return node, err
}
