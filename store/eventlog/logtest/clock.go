package logtest

import (
	"fmt"
	"sync"
	"time"

	"sluice/store/eventlog"
)

// Clock is a clock that a test moves.
type Clock struct {
	mu      sync.Mutex
	wall    time.Time
	elapsed time.Duration // since the first boot, sleep included
	slept   time.Duration // the part of elapsed that processes do not see
	boots   int
	booted  time.Duration // elapsed at the last boot
}

// NewClock makes a clock that begins at a fixed time.
func NewClock() *Clock {
	return &Clock{wall: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), elapsed: time.Hour}
}

// Source is the source that an engine reads.
func (c *Clock) Source() eventlog.Source {
	return eventlog.Source{
		Now: func() (wall, elapsed int64) {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.wall.UnixMicro(), (c.elapsed - c.slept).Microseconds()
		},
		Boot: func() (boot string, since int64) {
			c.mu.Lock()
			defer c.mu.Unlock()
			return fmt.Sprint("boot ", c.boots), (c.elapsed - c.booted).Microseconds()
		},
	}
}

// SourceOf makes a source from a time alone, which is never stepped.
func SourceOf(now func() time.Time) eventlog.Source {
	return eventlog.Source{
		Now:  func() (wall, elapsed int64) { n := now().UnixMicro(); return n, n },
		Boot: func() (boot string, since int64) { return "", 0 },
	}
}

// Now is the time of the wall clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

// Elapsed is the time that has passed.
func (c *Clock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed
}

// Add lets time pass.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.elapsed = c.wall.Add(d), c.elapsed+d
}

// Step sets the wall clock, forwards or backwards.
func (c *Clock) Step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
}

// Sleep lets time pass while the machine is suspended.
func (c *Clock) Sleep(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.elapsed, c.slept = c.wall.Add(d), c.elapsed+d, c.slept+d
}

// Boot begins another boot.
func (c *Clock) Boot() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.boots, c.booted = c.boots+1, c.elapsed
}
