package gateway

import (
	"context"
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
	snapshotMost     = time.Hour       // the longest time that one may take
	snapshotAgain    = 5 * time.Second // the pause after a failure. It doubles with each one, up to snapshotEvery
)

// snapshots makes the snapshots of a cluster. One of the gateways does: the first one by name of those that are there. If two
// think that they are it, two snapshots are made, which does no harm.
type snapshots struct {
	store   snapshotStore
	node    string
	process uint64              // another at each start
	peers   func() []peers.Peer // by name
	log     *slog.Logger
	wake    chan struct{}
	made    atomic.Int64 // when the newest one was made, in seconds since 1970; 0: not known
	untidy  bool         // something is to be removed since the last snapshot; for run alone

	mu sync.Mutex
	tries
}

// tries are the tries of a gateway to make a snapshot. Each has a number, from 1 on.
type tries struct {
	begun, ended uint64           // the newest one; the newest one that has succeeded
	asked        uint64           // somebody waits for a snapshot with this number or a later one
	saved        int64            // bytes, by the newest one
	newest       journal.Snapshot // of ended
	failed       string           // why the newest one has failed, or ""
}

// snapshotStore is where the snapshots of a cluster are, and its journal. Its methods try again for a while.
type snapshotStore interface {
	look(ctx context.Context) (journal.State, []journal.Snapshot, error) // newest first
	save(ctx context.Context, progress func(saved int64)) (journal.Snapshot, error)
	tidy(ctx context.Context, lowest func() uint64) error // removes old snapshots, and the journal before the lowest place
}

// openSnapshots begins to make snapshots, until Close.
func (g *Gateway) openSnapshots() error {
	if !g.clustered() {
		return nil
	}
	s := &snapshots{
		store: &clusterStore{g.bus, g.cfg.DataDir, g.o.Version, g.Log.Backup},
		node:  g.bus.Node(), process: g.origin, peers: g.peers.List, log: g.o.Logger, wake: make(chan struct{}, 1),
	}
	if err := g.bus.Serve(snapshotSubject, s.answer); err != nil {
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

// run makes snapshots until ctx ends.
func (s *snapshots) run(ctx context.Context) {
	tick := time.NewTicker(snapshotEvery)
	defer tick.Stop()
	for pause := snapshotAgain; ; {
		var again <-chan time.Time
		if s.step(ctx) {
			pause = snapshotAgain
		} else {
			again = time.After(pause)
			pause = min(2*pause, snapshotEvery)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-again:
		case <-s.wake:
		}
	}
}

// step makes a snapshot if it is due or asked for. It reports whether all went well; if not, the next step tries again. A panic
// ends the step only: the cluster goes on without a snapshot.
func (s *snapshots) step(ctx context.Context) (well bool) {
	defer panics.Contain(s.log, "making a snapshot of the cluster")
	ctx, cancel := context.WithTimeout(ctx, snapshotMost)
	defer cancel()
	err := s.make(ctx)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		s.log.Error("making a snapshot of the cluster; it is tried again", "cause", err)
	}
	return err == nil
}

func (s *snapshots) make(ctx context.Context) error {
	if !s.wanted() {
		due, err := s.due(ctx)
		if err != nil {
			return err
		}
		if !due {
			return s.tidy(ctx)
		}
	}
	begun, number := time.Now(), s.begin()
	made, err := s.store.save(ctx, s.progress)
	s.end(number, made, err)
	if err != nil {
		return err
	}
	s.made.Store(made.Made.Unix())
	s.log.Info("made a snapshot of the cluster", "place", made.Place, "bytes", made.Size, "took", time.Since(begun).Round(time.Millisecond))
	s.untidy = true
	return s.tidy(ctx)
}

// wanted reports whether somebody has asked for a snapshot that is not made. Then this gateway makes it, whoever is the first now.
func (s *snapshots) wanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked > s.ended
}

// due looks whether this gateway is to make a snapshot that nobody has asked for.
func (s *snapshots) due(ctx context.Context) (bool, error) {
	state, all, err := s.store.look(ctx)
	if err != nil {
		return false, err
	}
	if len(all) > 0 {
		s.made.Store(all[0].Made.Unix())
	}
	return s.first() && due(state, all, time.Now()), nil
}

// tidy removes what is not needed since the last snapshot.
func (s *snapshots) tidy(ctx context.Context) error {
	if !s.untidy {
		return nil
	}
	err := s.store.tidy(ctx, s.lowest)
	s.untidy = err != nil
	return err
}

// begin begins a try, and returns its number.
func (s *snapshots) begin() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun++
	s.saved = 0
	return s.begun
}

func (s *snapshots) progress(saved int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = saved
}

// end ends a try. A try that has succeeded is for all who asked before it began.
func (s *snapshots) end(number uint64, made journal.Snapshot, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed = err.Error()
		return
	}
	s.ended, s.newest, s.failed = number, made, ""
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

// clusterStore is the snapshotStore of a gateway.
type clusterStore struct {
	bus     *bus.Bus
	dataDir string
	version string
	backup  func(dir string) error
}

func (c *clusterStore) look(ctx context.Context) (journal.State, []journal.Snapshot, error) {
	state, err := look(ctx, c.bus)
	if err != nil {
		return state, nil, err
	}
	all, err := journal.List(ctx, c.bus)
	return state, all, err
}

func (c *clusterStore) save(ctx context.Context, progress func(saved int64)) (journal.Snapshot, error) {
	return saveSnapshot(ctx, c.bus, c.dataDir, c.version, c.backup, progress)
}

func (c *clusterStore) tidy(ctx context.Context, lowest func() uint64) error {
	kept, err := journal.Prune(ctx, c.bus, snapshotsKept)
	if err != nil || len(kept) < snapshotsKept {
		return err
	}
	return journal.Purge(ctx, c.bus, min(kept[len(kept)-1].Place, lowest()))
}
