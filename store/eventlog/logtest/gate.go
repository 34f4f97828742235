package logtest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"sluice/store/eventlog"
)

// Gate is an engine whose commits wait while it is shut, as on a full disk.
type Gate struct {
	eventlog.Engine
	commits sync.Mutex
}

// Shut makes commits wait until open is called.
func (g *Gate) Shut() (open func()) {
	g.commits.Lock()
	return g.commits.Unlock
}

// Commit waits while the gate is shut.
func (g *Gate) Commit(group *eventlog.Group) error {
	g.commits.Lock()
	defer g.commits.Unlock()
	return g.Engine.Commit(group)
}

// Late is a change that is stored only after its sender has given up, and a check that it has taken effect.
type Late struct {
	Name    string
	Change  func() error
	InForce func() bool
}

// RunLate makes each of some changes while the gate is shut, and checks that it takes effect once the gate is open. The log
// of the engine must have a short WaitLimit.
func (g *Gate) RunLate(t testing.TB, all []Late) {
	t.Helper()
	for _, l := range all {
		open := g.Shut()
		if err := l.Change(); !errors.Is(err, eventlog.ErrUnknown) {
			open()
			t.Fatalf("%s: %v, want that the outcome is unknown", l.Name, err)
		}
		if l.InForce() {
			t.Errorf("%s: in force before it is stored", l.Name)
		}
		open()
		for end := time.Now().Add(5 * time.Second); !l.InForce(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: stored, but not in force", l.Name)
			}
		}
	}
}
