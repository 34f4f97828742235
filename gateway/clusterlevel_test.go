//go:build unix

package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice/cluster/clustertest"
	"sluice/cluster/peers"
	"sluice/config"
	"sluice/store/eventlog"
	"sluice/store/eventlog/journal"
	"sluice/store/rows"
)

// testNewest is the newest level that the gateway of a test reads.
const testNewest = 3

// testLevels are the levels of a gateway "own" in a log with other members.
func testLevels(now time.Time, others []peers.Peer, members map[string]member) *levels {
	l := &levels{
		node: "own", newest: testNewest, peers: func() []peers.Peer { return others }, use: func(int) {}, now: func() time.Time { return now },
		log: slog.New(slog.DiscardHandler), members: map[string]member{},
	}
	for name, m := range members {
		l.followMembers(eventlog.Changes{Rows: []eventlog.Row{memberRow(name, m)}})
	}
	return l
}

func memberRow(name string, m member) eventlog.Row {
	value, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return eventlog.Row{Key: rows.Member + name, Value: value}
}

// The level that all read: of gateways that are heard, or that were there in the last day.
func TestLowestLevel(t *testing.T) {
	t.Parallel()
	const newest, older = testNewest, testNewest - 1
	now := time.Now()
	heard := func(node string, level int, away bool) peers.Peer {
		return peers.Peer{Node: node, Away: away, State: peers.State{Level: level}}
	}
	seen := func(level int, age time.Duration) member { return member{Level: level, Seen: now.Add(-age)} }
	for _, c := range []struct {
		name    string
		heard   []peers.Peer
		members map[string]member
		lowest  int
		older   string
	}{
		{"alone", nil, nil, newest, "[]"},
		{"its own beat and row", []peers.Peer{{Node: "own", Self: true}}, map[string]member{"own": seen(older, 0)}, newest, "[]"},
		{"newer ones", []peers.Peer{heard("a", newest+1, false)}, map[string]member{"a": seen(newest+1, 0)}, newest, "[]"},
		{"an old one is heard", []peers.Peer{heard("a", older, false)}, nil, older, "[a]"},
		{"an old one is away", []peers.Peer{heard("a", older, true)}, nil, older, "[a]"},
		{"an old one was there", nil, map[string]member{"a": seen(older, 23*time.Hour)}, older, "[a]"},
		{"an old one was there long ago", nil, map[string]member{"a": seen(older, 25*time.Hour)}, newest, "[]"},
		{"an old one was there long ago, and is heard", []peers.Peer{heard("a", newest, false)}, map[string]member{"a": seen(older, 25*time.Hour)}, older, "[a]"},
		{"it went back to an old version", []peers.Peer{heard("a", older, false)}, map[string]member{"a": seen(newest, 0)}, older, "[a]"},
		{"two", []peers.Peer{heard("b", older, false), heard("c", newest, false)}, map[string]member{"a": seen(older-1, 0)}, older - 1, "[a b]"},
		{"one of which nothing is known", []peers.Peer{heard("a", 0, false)}, nil, 0, "[a]"},
	} {
		lowest, names := testLevels(now, c.heard, c.members).lowest()
		if lowest != c.lowest || fmt.Sprint(names) != c.older {
			t.Errorf("%s: %d %v", c.name, lowest, names)
		}
	}
}

// The level is raised from the one that the log has, when all read a higher one, and only then.
func TestRaise(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reads  int // the other gateway
		has    int // the log; 0: it has no row
		raised int // 0: nothing is proposed
	}{{1, 0, 0}, {1, 1, 0}, {2, 0, 2}, {2, 1, 2}, {3, 2, 3}, {4, 2, 3}, {3, 3, 0}, {1, 3, 0}} {
		l := testLevels(time.Now(), []peers.Peer{{Node: "a", State: peers.State{Level: c.reads}}}, nil)
		used := 0
		l.use = func(level int) { used = level }
		var was []byte
		if c.has != 0 {
			was = journal.LevelRow(c.has).Value
			l.followLevel(eventlog.Changes{Rows: []eventlog.Row{journal.LevelRow(c.has)}})
		}
		if writes, _ := l.show(); used != c.has || writes != max(c.has, 1) {
			t.Errorf("%+v: the journal has the level %d, shown is %d", c, used, writes)
		}
		r := l.raise()
		if c.raised == 0 && r != nil {
			t.Errorf("%+v: %+v", c, r)
		}
		if row := journal.LevelRow(c.raised); c.raised != 0 && (r == nil || !reflect.DeepEqual(r, &eventlog.Request{
			Rows: []eventlog.Row{row}, If: []eventlog.Condition{eventlog.RowIs(row.Key, was)},
		})) {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}

// A gateway says at its start what it reads, again after an hour, and after an upgrade. It removes those that were not there for a day.
func TestAnnouncement(t *testing.T) {
	t.Parallel()
	now := time.Now()
	gone := member{Level: 1, Seen: now.Add(-memberLife)}
	for _, c := range []struct {
		name    string
		members map[string]member
		said    bool
		removed string
	}{
		{"the first start", nil, true, ""},
		{"said lately", map[string]member{"own": {Level: testNewest, Seen: now.Add(-59 * time.Minute)}, "gone": gone}, false, ""},
		{"said an hour ago", map[string]member{"own": {Level: testNewest, Seen: now.Add(-time.Hour)}}, true, ""},
		{"away for two days", map[string]member{"own": {Level: testNewest, Seen: now.Add(-2 * memberLife)}}, true, ""},
		{"upgraded", map[string]member{"own": {Level: testNewest - 1, Seen: now}}, true, ""},
		{"downgraded", map[string]member{"own": {Level: testNewest + 1, Seen: now}}, true, ""},
		{"others", map[string]member{"gone": gone, "there": {Level: 1, Seen: now.Add(time.Minute - memberLife)}}, true, "gone"},
	} {
		r := testLevels(now, nil, c.members).announcement()
		if (r != nil) != c.said {
			t.Errorf("%s: %+v", c.name, r)
		}
		if r == nil {
			continue
		}
		want := &eventlog.Request{Rows: []eventlog.Row{memberRow("own", member{Level: testNewest, Seen: now.UTC()})}}
		if c.removed != "" {
			was := memberRow(c.removed, c.members[c.removed])
			want.Rows, want.If = append(want.Rows, eventlog.Row{Key: was.Key}), []eventlog.Condition{eventlog.RowIs(was.Key, was.Value)}
		}
		if !reflect.DeepEqual(r, want) {
			t.Errorf("%s: %+v, want %+v", c.name, r, want)
		}
	}
}

// A member is what the log says of it last. One that is removed does not count.
func TestFollowMembers(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := testLevels(now, nil, map[string]member{"a": {Level: 1, Seen: now}})
	for _, c := range []struct {
		row    eventlog.Row
		lowest int
	}{
		{memberRow("a", member{Level: 2, Seen: now}), 2},
		{eventlog.Row{Key: rows.Member + "a"}, testNewest},
		{memberRow("b", member{Level: 9, Seen: now}), testNewest},
	} {
		l.followMembers(eventlog.Changes{Rows: []eventlog.Row{c.row}})
		if lowest, _ := l.lowest(); lowest != c.lowest {
			t.Errorf("%s %s: %d, want %d", c.row.Key, c.row.Value, lowest, c.lowest)
		}
	}
}

// raiseLog gives the log in a DATA_DIR a level that this version does not know.
func raiseLog(t *testing.T, dataDir string) {
	t.Helper()
	change(t, dataDir, func(engine eventlog.Engine) {
		if err := engine.Commit(&eventlog.Group{Applied: engine.Applied(), Rows: []eventlog.Row{journal.LevelRow(journal.Newest + 1)}}); err != nil {
			t.Fatal(err)
		}
	})
}

// A log with a newer level is refused by a gateway that runs alone, and makes no cluster. To leave one changes nothing of that.
func TestNewerLog(t *testing.T) {
	t.Parallel()
	dir, url := t.TempDir(), clustertest.NATS(t)
	join(t, dir, membership{Birth: "aa", cluster: "c"}, eventlog.Applied{Place: 5, At: 6, Last: 7})
	raiseLog(t, dir)
	if _, err := LeaveCluster(dir); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, err error) {
		t.Helper()
		if !errors.As(err, new(*SettingsError)) || !strings.Contains(err.Error(), "start a newer version here") {
			t.Errorf("%s: %v", what, err)
		}
	}
	change(t, dir, func(engine eventlog.Engine) { refused("alone", checkAlone(engine, dir)) })
	_, err := InitCluster(testContext(t), &config.Config{DataDir: dir}, testBus(t, url, "newer"), InitOptions{Bytes: 64 << 20})
	refused("init", err)
	if f := read(t, dir); f.level != journal.Newest+1 || f.applied.Last != 7 {
		t.Errorf("the folder is %+v", f)
	}
}
