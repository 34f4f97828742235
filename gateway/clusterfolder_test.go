//go:build unix

package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sluice/cluster/bus"
	"sluice/cluster/clustertest"
	"sluice/config"
	"sluice/store/eventlog"
	"sluice/store/eventlog/journal"
	"sluice/store/eventlog/pebble"
)

// testBus connects to a cluster of its own on the servers at url.
func testBus(t *testing.T, url, cluster string) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(bus.Options{URL: url, Cluster: cluster, Node: "one", Secret: strings.Repeat("s", 32)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// change opens the log in a DATA_DIR and calls f.
func change(t *testing.T, dataDir string, f func(eventlog.Engine)) {
	t.Helper()
	engine, err := pebble.Open(pebble.Options{Dir: filepath.Join(dataDir, logFolder)})
	if err != nil {
		t.Fatal(err)
	}
	f(engine)
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
}

// join writes a membership into the log in a DATA_DIR.
func join(t *testing.T, dataDir string, m membership, applied eventlog.Applied) {
	t.Helper()
	change(t, dataDir, func(engine eventlog.Engine) {
		if err := commitMembership(engine, m, applied, nil); err != nil {
			t.Fatal(err)
		}
	})
}

func initCluster(t *testing.T, b *bus.Bus, dataDir string) {
	t.Helper()
	if _, err := InitCluster(testContext(t), &config.Config{DataDir: dataDir}, b, InitOptions{Bytes: 64 << 20, Version: "test"}); err != nil {
		t.Fatal(err)
	}
}

func prepare(t *testing.T, b *bus.Bus, dataDir string) error {
	t.Helper()
	return prepareFolder(testContext(t), dataDir, b, func(journal.Snapshot) func(int64, int64) { return nil })
}

func read(t *testing.T, dataDir string) folder {
	t.Helper()
	f, err := readFolder(filepath.Join(dataDir, logFolder))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// fill adds messages to the journal that no gateway understands.
func fill(t *testing.T, b *bus.Bus, n int) {
	t.Helper()
	js, err := jetstream.New(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if _, err := js.Publish(testContext(t), b.Subject("journal", "in"), []byte("?")); err != nil {
			t.Fatal(err)
		}
	}
}

// What a gateway does with each kind of folder at its start.
func TestFolderOfCluster(t *testing.T) {
	t.Parallel()
	url := clustertest.NATS(t)
	for i, c := range []struct {
		name    string
		make    func(b *bus.Bus, dir string, birth string)
		refused string // what the error says; "": it starts
		place   uint64 // then
		old     string // the folder that is kept
	}{
		{name: "none", place: 1, make: func(*bus.Bus, string, string) {}},
		{name: "empty", place: 1, make: func(_ *bus.Bus, dir, _ string) { os.MkdirAll(filepath.Join(dir, "log"), 0o700) }},
		{name: "an interrupted load", place: 1, make: func(_ *bus.Bus, dir, _ string) {
			os.MkdirAll(filepath.Join(dir, "log.new", "x"), 0o700)
			os.MkdirAll(filepath.Join(dir, "log.new.part", "x"), 0o700)
		}},
		{name: "up to date", place: 1, make: func(b *bus.Bus, dir, birth string) {
			join(t, dir, membership{Birth: birth, cluster: b.Cluster()}, eventlog.Applied{Place: 1, At: 1 << 60})
		}},
		{name: "no cluster", refused: "belongs to no cluster", make: func(_ *bus.Bus, dir, _ string) { change(t, dir, func(eventlog.Engine) {}) }},
		{name: "another cluster", refused: "belongs to the cluster other, and CLUSTER_NAME", make: func(_ *bus.Bus, dir, birth string) {
			join(t, dir, membership{Birth: birth, cluster: "other"}, eventlog.Applied{Place: 1})
		}},
		{name: "an earlier cluster", refused: "earlier cluster with the name", make: func(b *bus.Bus, dir, _ string) {
			join(t, dir, membership{Birth: "0123", cluster: b.Cluster()}, eventlog.Applied{Place: 1})
		}},
		{name: "init not ended", refused: "`sluice cluster init` again", make: func(b *bus.Bus, dir, birth string) {
			join(t, dir, membership{Birth: birth, Joining: true, cluster: b.Cluster()}, eventlog.Applied{Place: 1})
		}},
		{name: "journal put back", refused: "up to place 9, and the journal ends at 1", make: func(b *bus.Bus, dir, birth string) {
			join(t, dir, membership{Birth: birth, cluster: b.Cluster()}, eventlog.Applied{Place: 9, At: 1 << 60})
		}},
		{name: "too old", place: 5, old: "log.old-2", make: func(b *bus.Bus, dir, birth string) {
			join(t, dir, membership{Birth: birth, cluster: b.Cluster()}, eventlog.Applied{Place: 2, At: 1 << 60})
			os.MkdirAll(filepath.Join(dir, "log.old-1"), 0o700)
			fill(t, b, 9)
			other := t.TempDir()
			join(t, other, membership{Birth: birth, cluster: b.Cluster()}, eventlog.Applied{Place: 5, At: 1 << 60})
			if _, err := journal.Save(testContext(t), b, filepath.Join(other, "log"), journal.Meta{Place: 5, Level: journal.Newest}, nil); err != nil {
				t.Fatal(err)
			}
			if err := journal.Purge(testContext(t), b, 5); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "as old as can be", place: 4, make: func(b *bus.Bus, dir, birth string) {
			join(t, dir, membership{Birth: birth, cluster: b.Cluster()}, eventlog.Applied{Place: 4, At: 1 << 60})
			fill(t, b, 9)
			if err := journal.Purge(testContext(t), b, 5); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "no snapshot that goes on", refused: "there is no snapshot", make: func(b *bus.Bus, _, _ string) {
			fill(t, b, 9)
			if err := journal.Purge(testContext(t), b, 5); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "a newer version's log", refused: "the log in DATA_DIR", make: func(b *bus.Bus, dir, birth string) {
			join(t, dir, membership{Birth: birth, cluster: b.Cluster()}, eventlog.Applied{Place: 2, At: 1 << 60})
			raiseLog(t, dir)
			fill(t, b, 9)
			if err := journal.Purge(testContext(t), b, 5); err != nil { // it would need a snapshot too
				t.Fatal(err)
			}
		}},
		{name: "a snapshot of another level", refused: "not what its label says", make: func(b *bus.Bus, _, birth string) {
			other := t.TempDir()
			join(t, other, membership{Birth: birth, cluster: b.Cluster()}, eventlog.Applied{Place: 5})
			raiseLog(t, other)
			if _, err := journal.Save(testContext(t), b, filepath.Join(other, "log"), journal.Meta{Place: 5, Level: journal.Newest}, nil); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "a newer version's snapshot", refused: "newer version", make: func(b *bus.Bus, _, birth string) {
			fill(t, b, 9)
			if err := journal.Purge(testContext(t), b, 5); err != nil {
				t.Fatal(err)
			}
			other := t.TempDir()
			join(t, other, membership{Birth: birth, cluster: b.Cluster()}, eventlog.Applied{Place: 5})
			if _, err := journal.Save(testContext(t), b, filepath.Join(other, "log"), journal.Meta{Place: 5, Level: journal.Newest + 1}, nil); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "a snapshot of something else", refused: "not what its label says", make: func(b *bus.Bus, _, birth string) {
			other := t.TempDir()
			join(t, other, membership{Birth: birth, cluster: b.Cluster()}, eventlog.Applied{Place: 4})
			if _, err := journal.Save(testContext(t), b, filepath.Join(other, "log"), journal.Meta{Place: 5, Level: journal.Newest}, nil); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		b := testBus(t, url, fmt.Sprint("folder", i))
		initCluster(t, b, t.TempDir())
		state, err := journal.Look(testContext(t), b)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		c.make(b, dir, state.Birth)
		before := read(t, dir)
		err = prepare(t, b, dir)
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %v", c.name, err)
			}
			if after := read(t, dir); after != before {
				t.Errorf("%s: the folder was %+v and is %+v", c.name, before, after)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		f := read(t, dir)
		if f.applied.Place != c.place || f.Birth != state.Birth || f.cluster != b.Cluster() {
			t.Errorf("%s: %+v", c.name, f)
		}
		names, _ := os.ReadDir(dir)
		for _, n := range names {
			if n.Name() != logFolder && n.Name() != c.old {
				t.Errorf("%s: %s is left", c.name, n.Name())
			}
		}
		if c.old != "" && len(names) != 2 {
			t.Errorf("%s: %s is not kept", c.name, c.old)
		}
	}
}

// Without a journal no gateway starts, and none makes one.
func TestFolderWithoutJournal(t *testing.T) {
	t.Parallel()
	b := testBus(t, clustertest.NATS(t), "none")
	var settings *SettingsError
	if err := prepare(t, b, t.TempDir()); !errors.As(err, &settings) || !errors.Is(err, journal.ErrNone) {
		t.Fatal(err)
	}
	if _, err := journal.Look(testContext(t), b); !errors.Is(err, journal.ErrNone) {
		t.Fatal(err)
	}
}

// InitCluster keeps what the log has. Interrupted after any step, it goes on; else it refuses.
func TestInitCluster(t *testing.T) {
	t.Parallel()
	url := clustertest.NATS(t)
	for i, c := range []struct {
		name    string
		before  func(b *bus.Bus, dir string)
		refused string
	}{
		{name: "new", before: func(*bus.Bus, string) {}},
		{name: "after the first step", before: func(b *bus.Bus, dir string) {
			join(t, dir, membership{Birth: "aa", Joining: true, cluster: b.Cluster()}, eventlog.Applied{Place: 77, At: 9, Last: 8})
		}},
		{name: "in the second step", before: func(b *bus.Bus, dir string) {
			birth := journal.NewBirth()
			join(t, dir, membership{Birth: birth, Joining: true, cluster: b.Cluster()}, eventlog.Applied{Place: 77, At: 9, Last: 8})
			if _, _, err := journal.Create(testContext(t), b, journal.CreateOptions{Birth: birth, Replicas: 1, Bytes: -1}); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "without the first message", before: func(b *bus.Bus, dir string) {
			birth := journal.NewBirth()
			join(t, dir, membership{Birth: birth, Joining: true, cluster: b.Cluster()}, eventlog.Applied{Place: 77, At: 9, Last: 8})
			if _, _, err := journal.Create(testContext(t), b, journal.CreateOptions{Birth: birth, Replicas: 1, Bytes: -1}); err != nil {
				t.Fatal(err)
			}
			emptyJournal(t, b)
		}},
		{name: "before the snapshot", before: func(b *bus.Bus, dir string) {
			initCluster(t, b, dir)
			js, _ := jetstream.New(b.Conn())
			if err := js.DeleteStream(testContext(t), "SLUICE_"+b.Cluster()+"_SNAPSHOTS"); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "twice", refused: "exists already", before: func(b *bus.Bus, dir string) { initCluster(t, b, dir) }},
		{name: "another folder", refused: "exists already", before: func(b *bus.Bus, dir string) { initCluster(t, b, t.TempDir()) }},
		{name: "of another cluster", refused: "belongs to the cluster other", before: func(b *bus.Bus, dir string) {
			join(t, dir, membership{Birth: "aa", cluster: "other"}, eventlog.Applied{Place: 1})
		}},
		{name: "the journal is gone", refused: "whose journal is gone", before: func(b *bus.Bus, dir string) {
			join(t, dir, membership{Birth: "aa", cluster: b.Cluster()}, eventlog.Applied{Place: 1})
		}},
		{name: "another journal", refused: "another cluster with the name", before: func(b *bus.Bus, dir string) {
			initCluster(t, b, t.TempDir())
			join(t, dir, membership{Birth: "aa", Joining: true, cluster: b.Cluster()}, eventlog.Applied{Place: 1})
		}},
	} {
		b := testBus(t, url, fmt.Sprint("init", i))
		dir := t.TempDir()
		if c.refused == "" {
			change(t, dir, func(engine eventlog.Engine) {
				if err := engine.Commit(&eventlog.Group{Rows: []eventlog.Row{{Key: "key/a", Value: []byte("{}")}}, Applied: eventlog.Applied{Place: 77, At: 9, Last: 8}}); err != nil {
					t.Fatal(err)
				}
			})
		}
		c.before(b, dir)
		made, err := InitCluster(testContext(t), &config.Config{DataDir: dir}, b, InitOptions{Bytes: 64 << 20, Version: "test"})
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		f, second := read(t, dir), t.TempDir()
		if f.applied.Place != 1 || f.applied.Last < 1e15 || f.applied.At != f.applied.Last || f.Joining || f.Birth != made.Snapshot.Birth || made.Replicas != 1 {
			t.Errorf("%s: %+v, made %+v", c.name, f, made)
		}
		if err := prepare(t, b, dir); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := prepare(t, b, second); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		change(t, second, func(engine eventlog.Engine) {
			if v, err := engine.Row("key/a"); err != nil || string(v) != "{}" {
				t.Errorf("%s: the row of the old log is %q: %v", c.name, v, err)
			}
			if runs := engine.Runs(); len(runs) == 0 || runs[len(runs)-1].Recovered != 8 || runs[len(runs)-1].Start != f.applied.Last {
				t.Errorf("%s: the runs are %v, want one that begins at %d, after 8", c.name, runs, f.applied.Last)
			}
		})
	}
}

// emptyJournal removes the journal's messages, and begins at place 1 again.
func emptyJournal(t *testing.T, b *bus.Bus) {
	t.Helper()
	js, err := jetstream.New(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(testContext(t), "SLUICE_"+b.Cluster())
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(testContext(t), "SLUICE_"+b.Cluster()); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(testContext(t), s.CachedInfo().Config); err != nil {
		t.Fatal(err)
	}
}

// A log that has left its cluster keeps its data, and is a log of its own.
func TestLeaveCluster(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := LeaveCluster(dir); !errors.Is(err, ErrNoLog) {
		t.Errorf("without a log: %v", err)
	}
	join(t, dir, membership{Birth: "aa", cluster: "c"}, eventlog.Applied{Place: 5, At: 6, Last: 7, Chain: 8})
	change(t, dir, func(engine eventlog.Engine) {
		if err := checkAlone(engine, dir); !errors.As(err, new(*SettingsError)) || !strings.Contains(err.Error(), "sluice cluster leave "+dir) {
			t.Errorf("without CLUSTER_URL: %v", err)
		}
		if _, err := LeaveCluster(dir); !errors.Is(err, ErrLocked) {
			t.Errorf("while a gateway runs: %v", err)
		}
		if err := engine.Commit(&eventlog.Group{Rows: []eventlog.Row{{Key: "journal/origin/1", Value: []byte("1")}, {Key: "journal/member/a", Value: []byte("{}")}, {Key: "key/a", Value: []byte("{}")}},
			Applied: engine.Applied()}); err != nil {
			t.Fatal(err)
		}
	})
	if name, err := LeaveCluster(dir); err != nil || name != "c" {
		t.Fatalf("%q: %v", name, err)
	}
	change(t, dir, func(engine eventlog.Engine) {
		n := 0
		engine.Rows("", func(r eventlog.Row) error { n++; return nil })
		if a := engine.Applied(); n != 1 || a != (eventlog.Applied{Place: 5, At: 6, Last: 7}) {
			t.Errorf("%d rows, %+v", n, a)
		}
		if err := checkAlone(engine, dir); err != nil {
			t.Error(err)
		}
	})
	if _, err := LeaveCluster(dir); err == nil || !strings.Contains(err.Error(), "belongs to no cluster") {
		t.Errorf("a second time: %v", err)
	}
}
