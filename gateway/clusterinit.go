package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sluice/cluster/bus"
	"sluice/config"
	"sluice/store/eventlog"
	"sluice/store/eventlog/journal"
	"sluice/store/eventlog/pebble"
	"sluice/store/rows"
)

// ErrClusterExists is the error of InitCluster if there is nothing to do.
var ErrClusterExists = errors.New("this cluster exists already")

// InitOptions are parameters of a new cluster.
type InitOptions struct {
	Bytes   int64 // that the journal keeps at most, on each server; 0: 8 GiB, or 1 GiB if the servers have no room for that
	Version string
}

// NewCluster is what InitCluster has made.
type NewCluster struct {
	Last     uint64 // the last id of the log
	Replicas int    // of the journal
	Bytes    int64  // that the journal keeps at most
	Snapshot journal.Snapshot
}

// InitCluster makes a cluster. It begins with the log in DATA_DIR, which may be empty.
//
// Its steps can be interrupted anywhere; called again, it goes on. It first stores in the log what will identify the journal,
// then it makes the journal with that, then it stores in the log that it is at the journal's first place, and at last it saves
// the snapshot that other gateways begin with. Until the third step, no gateway starts on the log.
func InitCluster(ctx context.Context, cfg *config.Config, b *bus.Bus, o InitOptions) (made NewCluster, err error) {
	dir := filepath.Join(cfg.DataDir, logFolder)
	engine, err := pebble.Open(pebble.Options{Dir: dir, Durability: pebble.Disk})
	if err != nil {
		return made, fmt.Errorf("opening the log in DATA_DIR %s: %w", cfg.DataDir, err)
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	if err := checkLevel(engine, cfg.DataDir); err != nil {
		return made, err
	}
	m, err := membershipOf(engine)
	if err != nil {
		return made, err
	}
	state, err := look(ctx, b)
	if err != nil && !errors.Is(err, journal.ErrNone) {
		return made, err
	}
	if err := mayInit(ctx, cfg, b, m, state); err != nil {
		return made, err
	}
	applied := engine.Applied()
	if m.cluster == "" {
		m = membership{Born: time.Now().UTC().Format(time.RFC3339), Birth: journal.NewBirth(), Joining: true, cluster: b.Cluster()}
		if err := commitMembership(engine, m, applied, nil); err != nil {
			return made, err
		}
	}
	if m.Joining {
		at, err := createJournal(ctx, b, m.Birth, o.Bytes)
		if err != nil {
			return made, err
		}
		m.Joining = false
		// The cluster begins with a run, as every gateway alone does at its start. Ids before it that the log does not have
		// are then known to be lost, or never to have been there.
		run := &eventlog.Run{Recovered: applied.Last, Start: max(applied.Last+1, at)}
		applied = eventlog.Applied{Place: 1, At: max(applied.At, at), Last: run.Start}
		if err := commitMembership(engine, m, applied, run); err != nil {
			return made, err
		}
	}
	if state, err = look(ctx, b); err != nil {
		return made, err
	}
	made.Last, made.Replicas, made.Bytes = applied.Last, state.Wanted, state.Most
	made.Snapshot, err = saveSnapshot(ctx, b, cfg.DataDir, o.Version, engine.Backup, nil)
	return made, err
}

// mayInit refuses if the log belongs to a cluster, or if the cluster exists, unless InitCluster has begun with this log.
func mayInit(ctx context.Context, cfg *config.Config, b *bus.Bus, m membership, state journal.State) error {
	leave := "; to take it out of that cluster, run: sluice cluster leave " + cfg.DataDir
	switch {
	case m.cluster == "" && state.Birth == "":
		return nil
	case m.cluster == "":
		return fmt.Errorf("%w: %s. Start this gateway with an empty DATA_DIR to join it, or set CLUSTER_NAME to the name of a new one", ErrClusterExists, b.Cluster())
	case m.cluster != b.Cluster():
		return fmt.Errorf("the log in DATA_DIR %s belongs to the cluster %s%s", cfg.DataDir, m.cluster, leave)
	case state.Birth == "" && m.Joining, state.Birth == m.Birth && m.Joining:
		return nil
	case state.Birth == "":
		return fmt.Errorf("the log in DATA_DIR %s belongs to the cluster %s, whose journal is gone%s, and then init again", cfg.DataDir, m.cluster, leave)
	case state.Birth != m.Birth:
		return fmt.Errorf("the log in DATA_DIR %s belongs to another cluster with the name %s%s", cfg.DataDir, m.cluster, leave)
	}
	all, err := journal.List(ctx, b)
	if err == nil && len(all) > 0 {
		err = fmt.Errorf("%w, and the log in DATA_DIR %s belongs to it: start its gateways", ErrClusterExists, cfg.DataDir)
	}
	return err // without a snapshot, it was interrupted before the end
}

func commitMembership(engine eventlog.Engine, m membership, applied eventlog.Applied, run *eventlog.Run) error {
	row, err := m.row()
	if err == nil {
		err = engine.Commit(&eventlog.Group{Rows: []eventlog.Row{row}, Run: run, Applied: applied})
	}
	if err != nil {
		return fmt.Errorf("storing in the log to which cluster it belongs: %w", err)
	}
	return nil
}

// Sizes of a journal, if none is asked for.
const (
	journalBytes = 8 << 30
	journalSmall = 1 << 30 // leaves room for snapshots on small servers
)

// createJournal makes the journal on three servers, or on one if that is all there is. JetStream reserves all its bytes.
func createJournal(ctx context.Context, b *bus.Bus, birth string, bytes int64) (at uint64, err error) {
	create := func(replicas int, bytes int64) error {
		try, cancel := context.WithTimeout(ctx, lookMost)
		defer cancel()
		_, at, err = journal.Create(try, b, journal.CreateOptions{Birth: birth, Replicas: replicas, Bytes: bytes})
		return err
	}
	sizes := []int64{journalBytes, journalSmall}
	if bytes != 0 {
		sizes = []int64{bytes}
	}
	for _, size := range sizes {
		if err = create(3, size); errors.Is(err, journal.ErrOneServer) {
			err = create(1, size)
		}
		if !errors.Is(err, journal.ErrServers) {
			break
		}
	}
	if errors.Is(err, journal.ErrExists) {
		err = ErrClusterExists // another init was faster
	}
	return at, err
}

// saveSnapshot copies a log by backup, and saves the copy as a snapshot of the cluster. progress may be nil.
func saveSnapshot(
	ctx context.Context, b *bus.Bus, dataDir, version string, backup func(dir string) error, progress func(saved int64),
) (s journal.Snapshot, err error) {
	dir := filepath.Join(dataDir, logFolder+".snapshot")
	if err := os.RemoveAll(dir); err != nil { // of a process that was killed
		return s, fmt.Errorf("removing an earlier copy: %w", err)
	}
	defer func() {
		if rerr := os.RemoveAll(dir); rerr != nil {
			err = cmp.Or(err, fmt.Errorf("removing the copy of the log: %w", rerr))
		}
	}()
	if err := backup(dir); err != nil {
		return s, err
	}
	f, err := readFolder(dir)
	if err != nil {
		return s, fmt.Errorf("reading the copy of the log: %w", err)
	}
	return journal.Save(ctx, b, dir, journal.Meta{Place: f.applied.Place, At: f.applied.At, Last: f.applied.Last, Level: f.level, Version: version}, progress)
}

// LeaveCluster takes a log out of its cluster, for a gateway that runs alone. dir is a DATA_DIR. It returns the name of the
// cluster.
func LeaveCluster(dir string) (cluster string, err error) {
	if !pebble.HasLog(filepath.Join(dir, logFolder)) {
		return "", fmt.Errorf("%w: %s", ErrNoLog, dir)
	}
	engine, err := pebble.Open(pebble.Options{Dir: filepath.Join(dir, logFolder), Durability: pebble.Disk})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	m, err := membershipOf(engine)
	if err == nil && m.cluster == "" {
		err = fmt.Errorf("the log in %s belongs to no cluster", dir)
	}
	if err != nil {
		return "", err
	}
	group := &eventlog.Group{Applied: engine.Applied(), Rows: []eventlog.Row{{Key: rows.Cluster + m.cluster}}}
	group.Chain = 0 // it is of a shared journal alone
	remove := func(r eventlog.Row) error {
		group.Rows = append(group.Rows, eventlog.Row{Key: r.Key})
		return nil
	}
	err = cmp.Or(engine.Rows(rows.Origin, remove), engine.Rows(rows.Member, remove))
	if err == nil {
		err = engine.Commit(group)
	}
	if err != nil {
		return "", fmt.Errorf("taking the log in %s out of the cluster %s: %w", dir, m.cluster, err)
	}
	return m.cluster, nil
}
