package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/cluster/peers"
	"sluice/store/eventlog/journal"
)

var errElection = errors.New("JetStream system temporarily unavailable")

// testStore is a snapshotStore whose calls fail as a test says. Its first snapshot is due.
type testStore struct {
	mu     sync.Mutex
	looks  []error // of the first calls; later ones succeed
	saves  []func(ctx context.Context, progress func(int64)) error
	tidies []error
	calls  []string
	have   []journal.Snapshot
	lowest uint64
}

// call notes a call, and takes the first of a list.
func call[T any](s *testStore, name string, list *[]T) (first T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, name)
	if len(*list) > 0 {
		first, *list = (*list)[0], (*list)[1:]
	}
	return first
}

func (s *testStore) did() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.calls, " ")
}

func (s *testStore) look(context.Context) (journal.State, []journal.Snapshot, error) {
	if err := call(s, "look", &s.looks); err != nil {
		return journal.State{}, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return journal.State{First: 1, Last: 1}, s.have, nil
}

func (s *testStore) save(ctx context.Context, progress func(int64)) (journal.Snapshot, error) {
	if f := call(s, "save", &s.saves); f != nil {
		if err := f(ctx, progress); err != nil {
			return journal.Snapshot{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	made := journal.Snapshot{Meta: journal.Meta{Place: uint64(len(s.have) + 1)}, Made: time.Now(), Size: 7}
	s.have = append([]journal.Snapshot{made}, s.have...)
	return made, nil
}

func (s *testStore) tidy(_ context.Context, lowest func() uint64) error {
	s.mu.Lock()
	s.lowest = lowest()
	s.mu.Unlock()
	return call(s, "tidy", &s.tidies)
}

// fail, panicking and hang are what a try to save does.
func fail(context.Context, func(int64)) error { return errElection }

func panicking(context.Context, func(int64)) error { panic("while saving") }

func hang(ctx context.Context, _ func(int64)) error {
	<-ctx.Done()
	return ctx.Err()
}

// fakeCluster is a bus with gateways that make snapshots.
type fakeCluster struct {
	mu    sync.Mutex
	nodes []*snapshots // by name
	dead  map[string]time.Time
	err   error // without a connection
}

// add starts a gateway until the test ends.
func (f *fakeCluster) add(t *testing.T, name string, store *testStore) *snapshots {
	t.Helper()
	s := &snapshots{store: store, node: name, process: uint64(len(f.nodes) + 1), log: slog.New(slog.DiscardHandler), wake: make(chan struct{}, 1)}
	s.peers = func() []peers.Peer { return f.list(name) }
	f.mu.Lock()
	f.nodes = append(f.nodes, s)
	f.mu.Unlock()
	ctx, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.run(ctx) })
	t.Cleanup(func() { end(); running.Wait() })
	return s
}

func (f *fakeCluster) kill(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead[name] = time.Now()
}

// list is what a gateway knows: one that is dead counts as there for three seconds. Those whose names begin with x are not ready.
func (f *fakeCluster) list(self string) (list []peers.Peer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.nodes {
		died, dead := f.dead[s.node]
		list = append(list, peers.Peer{
			Node: s.node, Self: s.node == self, Away: dead && time.Since(died) >= 3*time.Second, State: peers.State{Ready: !strings.HasPrefix(s.node, "x"), Place: 5},
		})
	}
	return list
}

func (f *fakeCluster) Ask(ctx context.Context, _ string, body []byte, got func([]byte) bool) error {
	f.mu.Lock()
	nodes, err := slices.Clone(f.nodes), f.err
	nodes = slices.DeleteFunc(nodes, func(s *snapshots) bool { _, dead := f.dead[s.node]; return dead })
	f.mu.Unlock()
	if err != nil {
		return err
	}
	for more := true; len(nodes) > 0; nodes = nodes[1:] {
		nodes[0].answer(body, func(text []byte) { more = got(text) })
		if !more {
			return nil
		}
	}
	<-ctx.Done()
	return nil
}

// asked is how a request for a snapshot has ended.
type asked struct {
	made MadeSnapshot
	err  error
	took time.Duration
	told string
}

func (f *fakeCluster) ask() asked {
	var a asked
	var told []string
	begun := time.Now()
	a.made, a.err = AskSnapshot(context.Background(), f, func(text string) { told = append(told, text) })
	a.took, a.told = time.Since(begun), strings.Join(told, "\n")
	return a
}

// cluster runs a test with gateways, the first of which makes the snapshots. The cluster has been there for a while.
func cluster(t *testing.T, names []string, f func(t *testing.T, c *fakeCluster, stores map[string]*testStore)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, stores := &fakeCluster{dead: map[string]time.Time{}}, map[string]*testStore{}
		for _, name := range names {
			stores[name] = &testStore{have: []journal.Snapshot{{Meta: journal.Meta{Place: 9}, Made: time.Now()}}}
			c.add(t, name, stores[name])
		}
		time.Sleep(time.Second)
		for _, s := range stores {
			s.mu.Lock()
			s.calls = nil
			s.mu.Unlock()
		}
		f(t, c, stores)
	})
}

// A snapshot that was asked for is tried until it is made, once, whatever fails.
func TestAskedSnapshotIsTriedAgain(t *testing.T) {
	t.Parallel()
	cluster(t, []string{"a"}, func(t *testing.T, c *fakeCluster, stores map[string]*testStore) {
		a := stores["a"]
		a.saves, a.tidies = append(a.saves, fail, panicking, fail), []error{errElection}
		got := c.ask()
		if got.err != nil || got.made != (MadeSnapshot{"a", 2, 7}) {
			t.Fatalf("%+v", got)
		}
		if want := snapshotAgain * (1 + 2 + 4); got.took < want || got.took > want+2*askPause {
			t.Errorf("it took %v, not %v", got.took, want)
		}
		for _, want := range []string{"the gateway a makes a snapshot", "temporarily unavailable"} {
			if !strings.Contains(got.told, want) {
				t.Errorf("it was not told %q: %s", want, got.told)
			}
		}
		time.Sleep(snapshotAgain * 9)
		// Only what was left to do is done after the snapshot is there.
		if did := a.did(); !strings.HasPrefix(did, "save save save save tidy look tidy") || strings.Count(did, "save") != 4 || strings.Count(did, "tidy") != 2 || a.lowest != 5 {
			t.Errorf("%q, lowest %d", did, a.lowest)
		}
	})
}

// A snapshot that is due is tried again after some seconds, not after a minute.
func TestDueSnapshotIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &testStore{looks: []error{errElection}}
		store.saves = append(store.saves, fail)
		c := &fakeCluster{dead: map[string]time.Time{}}
		s := c.add(t, "a", store)
		if age := s.age(); age != -1 {
			t.Errorf("the age of no snapshot is %v", age)
		}
		time.Sleep(snapshotAgain*3 + time.Second)
		if did := store.did(); did != "look look save look save tidy" || s.age() != 1 {
			t.Errorf("%q, age %v", did, s.age())
		}
	})
}

// What was asked for during a try is the next one: it has all that was there at the question.
func TestAskedDuringASnapshot(t *testing.T) {
	t.Parallel()
	cluster(t, []string{"a"}, func(t *testing.T, c *fakeCluster, stores map[string]*testStore) {
		slow := func(context.Context, func(int64)) error { time.Sleep(10 * time.Second); return nil }
		stores["a"].saves = append(stores["a"].saves, slow, slow)
		first, second := make(chan asked, 1), make(chan asked, 1)
		go func() { first <- c.ask() }() // until the snapshot is made
		time.Sleep(5 * time.Second)
		go func() { second <- c.ask() }() // the same
		one, two := <-first, <-second
		if one.err != nil || two.err != nil || one.made.Place != 2 || two.made.Place != 3 {
			t.Errorf("%+v\n%+v", one, two)
		}
	})
}

// A gateway that is dead, before it is asked or while it saves, is replaced by the next one.
func TestSnapshotWithoutTheFirst(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c"}
	cluster(t, names, func(t *testing.T, c *fakeCluster, stores map[string]*testStore) {
		c.kill("a")
		got := c.ask()
		if got.err != nil || got.made.Node != "b" || got.took < 3*time.Second-askOnce || got.took > 5*time.Second {
			t.Errorf("dead before: %+v", got)
		}
		if did := stores["a"].did() + stores["c"].did(); strings.Contains(did, "save") {
			t.Errorf("others saved too: %s", did)
		}
	})
	cluster(t, names, func(t *testing.T, c *fakeCluster, stores map[string]*testStore) {
		stores["a"].saves = append(stores["a"].saves, hang)
		dying := time.AfterFunc(10*time.Second, func() { c.kill("a") })
		defer dying.Stop()
		got := c.ask()
		if got.err != nil || got.made.Node != "b" || got.took > 10*time.Second+makerSilent+3*askOnce || !strings.Contains(got.told, "a does not answer any more") {
			t.Errorf("dead meanwhile: %+v", got)
		}
	})
}

// Without a gateway, or without progress, the request ends with an error that says so.
func TestSnapshotIsNotMade(t *testing.T) {
	t.Parallel()
	broken := errors.New("no connection")
	for _, c := range []struct {
		name  string
		nodes []string
		err   error // of the connection
		saves func(context.Context, func(int64)) error
		says  string
		took  time.Duration
	}{
		{"nobody", nil, nil, nil, ErrNoGateway.Error(), nobodyMost},
		{"no connection", []string{"a"}, broken, nil, broken.Error(), nobodyMost},
		{"nobody is ready", []string{"x1", "x2"}, nil, nil, ErrNotReady.Error(), notReady},
		{"it hangs", []string{"a"}, nil, hang, "no progress for 2m0s: the gateway a saves the snapshot, 0 KiB so far", stillMost},
		{"it stops in the middle", []string{"a"}, nil, func(ctx context.Context, progress func(int64)) error {
			for i := range 3 {
				time.Sleep(time.Minute)
				progress(int64(i+1) << 20)
			}
			return hang(ctx, progress)
		}, "3072 KiB so far", 3*time.Minute + stillMost},
	} {
		cluster(t, c.nodes, func(t *testing.T, f *fakeCluster, stores map[string]*testStore) {
			f.err = c.err
			if c.saves != nil {
				stores["a"].saves = append(stores["a"].saves, c.saves)
			}
			got := f.ask()
			if got.err == nil || !strings.Contains(got.err.Error(), c.says) || got.took < c.took || got.took > c.took+3*time.Second {
				t.Errorf("%s: after %v, not %v: %v", c.name, got.took, c.took, got.err)
			}
			if most := int(c.took/askTell) + 3; strings.Count(got.told, "\n") > most {
				t.Errorf("%s: it told more than %d lines:\n%s", c.name, most, got.told)
			}
		})
	}
}

// A snapshot that fails again and again in the same place makes no progress.
func TestSnapshotFailsForEver(t *testing.T) {
	t.Parallel()
	cluster(t, []string{"a"}, func(t *testing.T, c *fakeCluster, stores map[string]*testStore) {
		for range 9 {
			stores["a"].saves = append(stores["a"].saves, func(_ context.Context, progress func(int64)) error {
				progress(5 << 20)
				return fmt.Errorf("no room: %w", errElection)
			})
		}
		if got := c.ask(); got.err == nil || !strings.Contains(got.err.Error(), "no room") || got.took > stillMost+3*time.Second {
			t.Errorf("%+v", got)
		}
	})
}

// What is no question is not answered, and a question of an earlier process is not taken.
func TestQuestionsAboutSnapshots(t *testing.T) {
	t.Parallel()
	cluster(t, []string{"a"}, func(t *testing.T, c *fakeCluster, stores map[string]*testStore) {
		c.nodes[0].answer([]byte("?"), func([]byte) { t.Error("it was answered") })
		if a := c.nodes[0].answerTo(snapshotQuestion{Process: 99, Ticket: 1}); a.Makes || a.Done {
			t.Errorf("%+v", a)
		}
		if a := c.nodes[0].answerTo(snapshotQuestion{Process: 1, Ticket: math.MaxUint64}); a.Done {
			t.Errorf("%+v", a)
		}
		time.Sleep(time.Second)
		if did := stores["a"].did(); did != "" {
			t.Errorf("it did %q", did)
		}
	})
}
