package logtest

import (
	"sync"

	"sluice/broker/eventlog"
)

// Gate is an engine whose commits wait while it is shut, as those of a full disk do.
type Gate struct {
	eventlog.Engine
	commits sync.Mutex
}

// Shut makes commits wait, until open is called.
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
