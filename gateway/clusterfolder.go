package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sluice/cluster/bus"
	"sluice/store/eventlog/journal"
)

// oldFolder is the name of a log that a snapshot has replaced, with the place it had applied.
const oldFolder = logFolder + ".old-"

// newFolder is where a snapshot is loaded to.
const newFolder = logFolder + ".new"

// prepareFolder gives this gateway of a cluster a log that the journal can bring up to date, before the log is opened. A log
// that is not of this journal is refused.
func (g *Gateway) prepareFolder() error {
	if !g.clustered() || g.o.Engine != nil {
		return nil
	}
	return prepareFolder(g.starting, g.cfg.DataDir, g.bus, g.loading)
}

// loading logs how far a snapshot is loaded, every few seconds.
func (g *Gateway) loading(s journal.Snapshot) func(done, total int64) {
	g.o.Logger.Info("loading a snapshot of the cluster", "place", s.Place, "bytes", s.Size, "made", s.Made.Format(time.RFC3339), "version", s.Version)
	logged := time.Now()
	return func(done, total int64) {
		if time.Since(logged) >= loadingEvery || done == total {
			logged = time.Now()
			g.o.Logger.Info("loading a snapshot of the cluster", "percent", 100*done/max(total, 1), "bytes", done)
		}
	}
}

// loadingEvery is the time between two lines about loading.
const loadingEvery = 5 * time.Second

func prepareFolder(ctx context.Context, dataDir string, b *bus.Bus, loading func(journal.Snapshot) func(done, total int64)) error {
	dir := filepath.Join(dataDir, logFolder)
	f, err := readFolder(dir)
	if err != nil {
		return fmt.Errorf("reading the log in DATA_DIR %s: %w", dataDir, err)
	}
	state, err := look(ctx, b)
	if errors.Is(err, journal.ErrNone) || errors.Is(err, journal.ErrSecret) {
		return &SettingsError{err}
	}
	if err != nil {
		return err
	}
	if f.exists {
		if f.level > journal.Newest {
			return &SettingsError{newerLevel("the log in DATA_DIR "+dataDir, f.level)}
		}
		fits, err := f.fits(ctx, b, state, dataDir)
		if fits || err != nil {
			return err
		}
	}
	return replaceFolder(ctx, dataDir, b, f, state, loading)
}

// look asks for the journal's state, until the leader answers or the time is over. While there is no leader, replicas answer
// with what they have, which may lack the journal's end.
func look(ctx context.Context, b *bus.Bus) (state journal.State, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookMost)
	defer cancel()
	for {
		try, stop := context.WithTimeout(ctx, lookTry)
		state, err = journal.Look(try, b)
		stop()
		if err == nil && !state.Led {
			err = journal.ErrNoLeader
		}
		if err == nil || errors.Is(err, journal.ErrNone) || errors.Is(err, journal.ErrSecret) {
			return state, err
		}
		select {
		case <-ctx.Done():
			return state, fmt.Errorf("%w; are most of the NATS servers running?", err)
		case <-time.After(lookAgain):
		}
	}
}

const (
	lookMost  = 20 * time.Second // an election takes up to nine
	lookTry   = 2 * time.Second
	lookAgain = 200 * time.Millisecond
)

// fits reports whether the journal can bring the log up to date; if not, the log is too old. An error says that the log is not
// of this journal.
func (f *folder) fits(ctx context.Context, b *bus.Bus, state journal.State, dataDir string) (bool, error) {
	refuse := func(format string, a ...any) (bool, error) {
		return false, &SettingsError{fmt.Errorf("the log in DATA_DIR %s "+format, append([]any{dataDir}, a...)...)}
	}
	switch {
	case f.cluster == "":
		return refuse("belongs to no cluster: to begin a cluster with it, run `sluice cluster init` with these settings; to join one, move the folder %s away, and the log of the cluster is loaded",
			logFolder)
	case f.cluster != b.Cluster():
		return refuse("belongs to the cluster %s, and CLUSTER_NAME is %s: set CLUSTER_NAME to %[2]s, or move the folder %[4]s away", f.cluster, b.Cluster(), logFolder)
	case f.Joining && f.Birth == state.Birth:
		return refuse("was not made ready: run `sluice cluster init` again with these settings")
	case f.Birth != state.Birth:
		return refuse("belongs to an earlier cluster with the name %s, made at %s: move the folder %s away, and the log of the cluster is loaded", f.cluster, f.Born, logFolder)
	case f.applied.Place > state.Last:
		return refuse("has applied the journal up to place %d, and the journal ends at %d: it was put back to an older copy. "+putBack, f.applied.Place, state.Last, b.Cluster())
	case f.applied.Place+1 < state.First:
		return false, nil
	case f.applied.Place < state.First:
		return true, nil // the message at the place is purged
	}
	ctx, cancel := context.WithTimeout(ctx, lookMost) // a journal that does not have it never answers
	defer cancel()
	at, err := journal.TimeOf(ctx, b, f.applied.Place)
	if err != nil {
		return false, fmt.Errorf("comparing the log in DATA_DIR %s with the journal: %w", dataDir, err)
	}
	if at > f.applied.At {
		return refuse("has applied another message at place %d of the journal: the journal was put back to an older copy, and went on from there. "+putBack, f.applied.Place, b.Cluster())
	}
	return true, nil
}

// putBack is what to do about a journal that has lost its end.
const putBack = "If this log has what the others lost, stop all gateways, run `sluice cluster leave` on its folder, delete the NATS streams of the cluster %s, and run `sluice cluster init` with it; else move it away"

// replaceFolder loads the newest snapshot that the journal can go on from. The log that was there is kept beside it until the
// next time. After a crash in the middle, the next start does it again.
func replaceFolder(ctx context.Context, dataDir string, b *bus.Bus, f folder, state journal.State, loading func(journal.Snapshot) func(done, total int64)) error {
	s, err := findSnapshot(ctx, b, state)
	if err != nil {
		return err
	}
	dir, fresh := filepath.Join(dataDir, logFolder), filepath.Join(dataDir, newFolder)
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("removing a snapshot that was loaded earlier: %w", err)
	}
	if err := journal.Load(ctx, b, s, fresh, loading(s)); err != nil {
		return err
	}
	loaded, err := readFolder(fresh)
	if err == nil && (loaded.cluster != b.Cluster() || loaded.Birth != state.Birth || loaded.applied.Place != s.Place || loaded.level != s.Level) {
		err = errors.New("it is not what its label says")
	}
	if err != nil {
		return fmt.Errorf("the snapshot of place %d: %w", s.Place, err)
	}
	if err := moveAside(dataDir, dir, f); err != nil {
		return fmt.Errorf("moving the old log aside: %w", err)
	}
	if err := os.Rename(fresh, dir); err != nil {
		return fmt.Errorf("moving the new log to its place: %w", err)
	}
	return nil
}

// moveAside keeps the old log under another name, and removes the one that was kept before.
func moveAside(dataDir, dir string, f folder) error {
	if !f.exists {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		// It has no log, and is not empty: files of a start that failed.
	}
	earlier, err := filepath.Glob(filepath.Join(dataDir, oldFolder+"*"))
	if err != nil {
		return err
	}
	for _, name := range earlier {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	return os.Rename(dir, filepath.Join(dataDir, fmt.Sprint(oldFolder, f.applied.Place)))
}

// findSnapshot finds the newest snapshot that this version can read and that the journal goes on from.
func findSnapshot(ctx context.Context, b *bus.Bus, state journal.State) (journal.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, lookMost)
	defer cancel()
	all, err := journal.List(ctx, b)
	if err != nil {
		return journal.Snapshot{}, err
	}
	return newest(all, state)
}

// newest chooses among all snapshots, which are sorted.
func newest(all []journal.Snapshot, state journal.State) (journal.Snapshot, error) {
	newer := 0
	for _, s := range all {
		if s.Place+1 < state.First {
			break
		}
		if s.Level <= journal.Newest {
			return s, nil
		}
		newer = s.Level
	}
	if newer != 0 {
		return journal.Snapshot{}, newerLevel("each snapshot of the cluster", newer)
	}
	return journal.Snapshot{}, fmt.Errorf("%w that the journal goes on from: if the cluster is new, end `sluice cluster init` at its first gateway; else run `sluice cluster snapshot` while a gateway runs", journal.ErrNoSnapshot)
}
