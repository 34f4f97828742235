package gateway

import (
	"math"
	"testing"
	"time"

	"sluice/cluster/peers"
	"sluice/store/eventlog/journal"
)

// When a snapshot is due.
func TestSnapshotIsDue(t *testing.T) {
	t.Parallel()
	now := time.Now()
	at := func(place uint64, age time.Duration, size int64) []journal.Snapshot {
		return []journal.Snapshot{{Meta: journal.Meta{Place: place}, Made: now.Add(-age), Size: size}}
	}
	for _, c := range []struct {
		name  string
		state journal.State
		all   []journal.Snapshot
		due   bool
	}{
		{"none", journal.State{First: 1, Last: 1}, nil, true},
		{"nothing new", journal.State{First: 1, Last: 50_000, Bytes: 1 << 40}, at(50_000, 9*time.Hour, 1), false},
		{"behind", journal.State{First: 1, Last: 5}, at(9, 9*time.Hour, 1), false},
		{"old, and little new", journal.State{First: 1, Last: 10_001}, at(1, 9*time.Hour, 1), false},
		{"old, and much new", journal.State{First: 1, Last: 10_002}, at(1, 61*time.Minute, 1), true},
		{"young, and much new", journal.State{First: 1, Last: 20_000, Bytes: 1 << 20}, at(1, 59*time.Minute, 1), false},
		{"many bytes", journal.State{First: 1, Last: 1000, Bytes: 600 << 20}, at(500, time.Minute, 1), true},
		{"many bytes, but a larger snapshot", journal.State{First: 1, Last: 1000, Bytes: 600 << 20}, at(500, time.Minute, 400<<20), false},
		{"few bytes", journal.State{First: 1, Last: 1000, Bytes: 500 << 20}, at(500, time.Minute, 1), false},
		{"a small journal", journal.State{First: 1, Last: 1000, Bytes: 60 << 20, Most: 100 << 20}, at(500, time.Minute, 1), true},
		{"a small journal, and few bytes", journal.State{First: 1, Last: 1000, Bytes: 40 << 20, Most: 100 << 20}, at(500, time.Minute, 1), false},
	} {
		if due := due(c.state, c.all, now); due != c.due {
			t.Errorf("%s: %v", c.name, due)
		}
	}
}

// One gateway makes the snapshots, and the journal keeps what those that are there have not applied.
func TestWhoMakesSnapshots(t *testing.T) {
	t.Parallel()
	peer := func(place uint64, self, ready, away bool) peers.Peer {
		return peers.Peer{Self: self, Away: away, State: peers.State{Place: place, Ready: ready}}
	}
	for _, c := range []struct {
		name   string
		peers  []peers.Peer
		first  bool
		lowest uint64
	}{
		{"alone", []peers.Peer{peer(5, true, true, false)}, true, 5},
		{"alone, not ready", []peers.Peer{peer(5, true, false, false)}, false, 5},
		{"the first", []peers.Peer{peer(5, true, true, false), peer(4, false, true, false)}, true, 4},
		{"the second", []peers.Peer{peer(5, false, true, false), peer(9, true, true, false)}, false, 5},
		{"after one that is away", []peers.Peer{peer(5, false, true, true), peer(9, true, true, false)}, true, 9},
		{"after one that is not ready", []peers.Peer{peer(5, false, false, false), peer(9, true, true, false)}, true, 5},
		{"nobody", nil, false, math.MaxUint64},
	} {
		s := &snapshots{peers: func() []peers.Peer { return c.peers }}
		if s.first() != c.first || s.lowest() != c.lowest {
			t.Errorf("%s: first %v, lowest %d", c.name, s.first(), s.lowest())
		}
	}
}
