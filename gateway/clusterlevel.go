package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/cluster/peers"
	"sluice/store/eventlog"
	"sluice/store/eventlog/journal"
	"sluice/store/panics"
	"sluice/store/rows"
)

// A cluster writes the newest level of its formats that all of its members read. Each gateway says in a row which level it
// reads. A gateway that is not there counts for a day: it may come back with its old version. One that comes back later stops
// at the first thing that it does not know, and goes on when it is upgraded.

const (
	levelEvery  = 2 * time.Second // between two looks
	memberAgain = time.Hour       // after which a gateway says again that it is there
	memberLife  = 24 * time.Hour  // how long a gateway counts that does not
	olderMost   = 8               // names that are shown
)

// member is what a gateway says of itself in the log.
type member struct {
	Level int       `json:"level"` // the newest one that it reads
	Seen  time.Time `json:"seen"`

	row []byte
}

// levels keeps the level of the formats that the gateways of a cluster write.
type levels struct {
	node   string
	newest int // that this version reads
	peers  func() []peers.Peer
	health func() error // whether the log is behind
	store  func(ctx context.Context, r *eventlog.Request) (uint64, error)
	use    func(level int)
	now    func() time.Time
	log    *slog.Logger

	mu      sync.Mutex
	used    int    // 0: not read yet
	row     []byte // of used; nil if there is none
	members map[string]member
}

// openLevels follows the rows of the level and of the members. It is done before the log applies anything.
func (g *Gateway) openLevels() error {
	if !g.clustered() {
		return nil
	}
	g.levels = &levels{
		node: g.bus.Node(), newest: journal.Newest, peers: g.peers.List, health: g.journal.Health, store: g.Log.Append, use: g.journal.SetLevel,
		now: time.Now, log: g.o.Logger, members: map[string]member{},
	}
	if err := g.Log.Follow(rows.Level, g.levels.followLevel); err != nil {
		return err
	}
	return g.Log.Follow(rows.Member, g.levels.followMembers)
}

// followLevel takes the level that the log has now.
func (l *levels) followLevel(c eventlog.Changes) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range c.Rows {
		level, err := journal.ReadLevel(r.Value)
		if err != nil {
			l.log.Error("reading the level of the log", "cause", err)
			continue
		}
		l.used, l.row = level, slices.Clone(r.Value)
		l.use(level)
		l.log.Info("the level of the formats that this gateway writes", "level", level)
	}
}

func (l *levels) followMembers(c eventlog.Changes) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range c.Rows {
		name := strings.TrimPrefix(r.Key, rows.Member)
		if r.Value == nil {
			delete(l.members, name)
			continue
		}
		m := member{row: slices.Clone(r.Value)}
		if err := json.Unmarshal(r.Value, &m); err != nil {
			l.log.Error("reading what a gateway says of itself", "node", name, "cause", err) // it counts only while it is heard
		}
		l.members[name] = m
	}
}

// keep says that this gateway is there, and raises the level, until ctx ends.
func (l *levels) keep(ctx context.Context) {
	tick := time.NewTicker(levelEvery)
	defer tick.Stop()
	for {
		l.step(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// step stores what is due. If it cannot, the next step tries again.
func (l *levels) step(ctx context.Context) {
	defer panics.Contain(l.log, "keeping the level of the cluster's formats")
	if l.health() != nil {
		return // the rows may be old
	}
	r := l.announcement()
	if r == nil {
		r = l.raise()
	}
	if r == nil {
		return
	}
	// ErrRow: another gateway was faster.
	if _, err := l.store(ctx, r); err != nil && !errors.Is(err, eventlog.ErrRow) && ctx.Err() == nil {
		l.log.Warn("storing which formats this gateway reads; it is tried again", "cause", err)
	}
}

// announcement is the request by which this gateway says that it is there, if that is due. It also removes the gateways that do
// not count any more.
func (l *levels) announcement() *eventlog.Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if own, said := l.members[l.node]; said && own.Level == l.newest && now.Sub(own.Seen) < memberAgain {
		return nil
	}
	value, err := json.Marshal(member{Level: l.newest, Seen: now.UTC()})
	if err != nil {
		panic(err) // the type is ours
	}
	r := &eventlog.Request{Rows: []eventlog.Row{{Key: rows.Member + l.node, Value: value}}}
	for name, m := range l.members {
		if name != l.node && m.gone(now) {
			r.Rows = append(r.Rows, eventlog.Row{Key: rows.Member + name})
			r.If = append(r.If, eventlog.RowIs(rows.Member+name, m.row))
		}
	}
	return r
}

// gone reports whether a gateway was not there for so long that it does not count.
func (m *member) gone(now time.Time) bool { return now.Sub(m.Seen) >= memberLife }

// raise is the request that raises the level, if all gateways read a higher one.
func (l *levels) raise() *eventlog.Request {
	lowest, _ := l.lowest()
	l.mu.Lock()
	defer l.mu.Unlock()
	if lowest <= max(l.used, journal.Oldest) {
		return nil
	}
	row := journal.LevelRow(lowest)
	return &eventlog.Request{Rows: []eventlog.Row{row}, If: []eventlog.Condition{eventlog.RowIs(row.Key, l.row)}}
}

// lowest is the newest level that all gateways read: those that have said so in the log, and those that are heard. older are
// the names of those that do not read the newest one of this version, in order.
func (l *levels) lowest() (lowest int, older []string) {
	reads := map[string]int{}
	for _, p := range l.peers() {
		if !p.Self {
			reads[p.Node] = p.Level
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, m := range l.members {
		heard, is := reads[name]
		if name == l.node || !is && m.gone(l.now()) {
			continue
		}
		if reads[name] = m.Level; is {
			reads[name] = min(m.Level, heard)
		}
	}
	lowest = l.newest
	for name, level := range reads {
		if level < l.newest {
			older = append(older, name)
		}
		lowest = min(lowest, level)
	}
	slices.Sort(older)
	return lowest, older
}

// show returns the level that this gateway writes, and some of the gateways that do not read its newest one.
func (l *levels) show() (writes int, older []string) {
	_, older = l.lowest()
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.used, journal.Oldest), older[:min(len(older), olderMost)]
}

// newerLevel is the error about what has a level that this version does not know.
func newerLevel(what string, level int) error {
	return fmt.Errorf("%s has the format %d, and this version of Sluice reads formats up to %d: start a newer version here. Nothing was changed", what, level, journal.Newest)
}

// checkLevel refuses a log that has a level that this version does not know.
func checkLevel(engine eventlog.Engine, dataDir string) error {
	level := journal.Oldest
	err := engine.Rows(rows.Level, func(r eventlog.Row) (err error) {
		level, err = journal.ReadLevel(r.Value)
		return err
	})
	if err == nil && level > journal.Newest {
		err = &SettingsError{newerLevel("the log in DATA_DIR "+dataDir, level)}
	}
	return err
}
