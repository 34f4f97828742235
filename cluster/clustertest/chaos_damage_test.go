//go:build linux && chaos

package clustertest_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/cluster/clustertest"
)

// stopped waits until no gateway serves any more, checks that each has said why, and that none took an event meanwhile.
func (x *chaos) stopped(says string) {
	x.t.Helper()
	began := time.Now()
	clustertest.Until(x.t, func() error {
		for i, n := range x.c.Nodes {
			if n.Running() && n.Ready() == nil {
				return fmt.Errorf("gateway %d is ready", i)
			}
			if !strings.Contains(n.Logs(), says) {
				return fmt.Errorf("gateway %d does not say %q", i, says)
			}
		}
		return nil
	})
	x.t.Logf("all gateways have stopped after %.1f s", time.Since(began).Seconds())
	for i, n := range x.c.Nodes {
		if a, f := x.do(n.URL(), http.MethodPost, "/realtime", event("after")); f == acked {
			x.t.Errorf("gateway %d takes events: %s", i, a.text)
		}
	}
	x.stop()
	x.writing.Wait()
	x.leave()
	x.reading.Wait()
}

// The journal is deleted while gateways run: they stop and say so.
func TestChaosJournalDeleted(t *testing.T) {
	x := startChaos(t, clustertest.Start(t, 3))
	x.more(100)
	x.delete()
	x.stopped("the journal was made anew")
}

// delete deletes the journal.
func (x *chaos) delete() {
	x.t.Helper()
	js := x.jetStream()
	ctx, cancel := context.WithTimeout(context.Background(), clustertest.Patience)
	defer cancel()
	if err := js.DeleteStream(ctx, clustertest.Stream); err != nil {
		x.t.Fatal(err)
	}
}

// The journal is deleted and made again while gateways run: they stop and say so.
func TestChaosJournalMadeAnew(t *testing.T) {
	x := startChaos(t, clustertest.Start(t, 3))
	x.more(100)
	js := x.jetStream()
	ctx, cancel := context.WithTimeout(context.Background(), clustertest.Patience)
	defer cancel()
	s, err := js.Stream(ctx, clustertest.Stream)
	if err != nil {
		t.Fatal(err)
	}
	config := s.CachedInfo().Config
	config.Metadata["sluice-birth"] = "another"
	x.delete()
	if _, err := js.CreateStream(ctx, config); err != nil {
		t.Fatal(err)
	}
	x.stopped("this gateway stops to follow the journal")
}

// The servers are put back to older copies of their data. Gateways that run stop and say so, and do not start again.
func TestChaosJournalPutBack(t *testing.T) {
	for name, lost := range map[string]int{"much is lost": 300, "little is lost": 1} {
		t.Run(name, func(t *testing.T) {
			x := startChaos(t, clustertest.Start(t, 3))
			x.more(100)
			if lost == 1 { // one message, while nobody else writes
				x.stop()
				x.writing.Wait()
				x.settle()
			}
			x.killServers()
			copies := t.TempDir()
			for i, s := range x.c.Servers {
				run(t, "cp", "-a", s.Dir(), filepath.Join(copies, fmt.Sprint(i)))
			}
			x.startServers()
			if lost == 1 {
				a, f := x.do(x.urls[0], http.MethodPost, "/realtime", event("lost"))
				x.given(x.urls[0], a, f, "lost")
				x.settle()
			} else {
				x.more(lost)
			}
			x.killServers()
			for i, s := range x.c.Servers {
				if err := os.RemoveAll(s.Dir()); err != nil {
					t.Fatal(err)
				}
				run(t, "cp", "-a", filepath.Join(copies, fmt.Sprint(i)), s.Dir())
			}
			x.startServers()
			x.stopped("put back to an older copy")
			for _, n := range x.c.Nodes {
				n.Kill(t)
				n.Start(t)
			}
			clustertest.Until(t, func() error {
				for i, n := range x.c.Nodes {
					if n.Running() {
						if n.Ready() == nil {
							t.Fatalf("gateway %d starts again", i)
						}
						return fmt.Errorf("gateway %d runs", i)
					}
				}
				return nil
			})
		})
	}
}

func (x *chaos) killServers() {
	for _, s := range x.c.Servers {
		s.Kill(x.t)
	}
}

func (x *chaos) startServers() {
	for _, s := range x.c.Servers {
		s.Start(x.t)
	}
	for _, s := range x.c.Servers {
		s.AwaitReady(x.t)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// The disk of one gateway is full: the others go on; it takes nothing new, sends its clients away if it falls behind, and has
// everything once there is room.
func TestChaosDiskFull(t *testing.T) {
	x := startChaos(t, clustertest.Start(t, 3))
	node := x.c.Node(2)
	node.Stop(t)
	saved := filepath.Join(t.TempDir(), "data")
	run(t, "cp", "-a", node.Dir(), saved)
	run(t, "mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", node.Dir())
	t.Cleanup(func() {
		node.Kill(t)
		if err := syscall.Unmount(node.Dir(), syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	run(t, "cp", "-a", saved+"/.", node.Dir())
	node.Restart(t)
	x.more(100)
	other := filepath.Join(node.Dir(), "other")
	fill(t, other)
	x.measure()
	x.more(2000)
	full := x.call(node.URL(), http.MethodPost, "/realtime", event("full"))
	ready := node.Ready()
	t.Logf("a gateway with a full disk: %v; it answers %d %s, ready: %v", x.measure(), full.status, full.text, ready)
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	node.AwaitReady(t)
	x.more(100)
	x.verdict()
}

// fill takes all that is free on a disk.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for piece := make([]byte, 1<<20); err == nil; {
		_, err = f.Write(piece)
	}
}
