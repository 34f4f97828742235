package streams

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"runtime"

	"sluice/store/eventlog"
	"sluice/store/share"
)

// Open opens the catalog of a log.
func Open(log *eventlog.Log, limits Limits) (*Catalog, error) {
	c := &Catalog{
		log: log, limits: limits, cloning: share.NewSlots(1, clonesWaiting), effects: log.Effects(), edits: log.Effects(),
		looks: share.NewSlots(max(1, runtime.GOMAXPROCS(0)/2), math.MaxInt), // no bound of its own: each that waits is a connection
		self:  rand.Text(), seed: maphash.MakeSeed(), opening: true,
		byName: map[string]*Database{}, byID: map[string]*Database{}, making: map[string]*Database{}, contents: map[string]*contents{},
		accounts: map[string]*usage{}, retired: map[string]retired{}, attended: map[string]bool{}, kicked: map[string]bool{},
	}
	if err := c.dropCutOff(context.Background()); err != nil {
		return nil, fmt.Errorf("dropping what is left of a clone: %w", err)
	}
	if err := c.follow(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opening = false
	for _, d := range c.byName {
		c.resume(d)
	}
	return c, nil
}

// follow lets the catalog follow its rows. The order matters: when a commit changes a database and what it has, the
// database comes last.
func (c *Catalog) follow() error {
	return errors.Join(
		c.log.FollowRows(rowNamespace, eventlog.Cache{Put: c.putNamespace, Names: c.namespaceRows}),
		c.log.Follow(rowAnnotation, c.putAnnotations),
		c.log.FollowRows(rowRetired, eventlog.Cache{Put: c.putRetired, Names: func(prefix string) []string {
			c.mu.RLock()
			defer c.mu.RUnlock()
			return eventlog.Named(c.retired, prefix)
		}}),
		c.log.FollowRows(rowDatabase, eventlog.Cache{Put: c.put, Names: func(prefix string) []string {
			c.mu.RLock()
			defer c.mu.RUnlock()
			return eventlog.Named(c.byName, prefix)
		}}),
	)
}
