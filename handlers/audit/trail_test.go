package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/store/eventlog"
)

// published stands in for the event log.
type published struct {
	mu      sync.Mutex
	entries []Entry
	spaces  []string
	hangs   bool // as with a full disk
}

func (p *published) Append(ctx context.Context, r *eventlog.Request) (uint64, error) {
	p.mu.Lock()
	hangs := p.hangs
	p.mu.Unlock()
	if hangs {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(10 * time.Second): // as long as the event log waits
			return 0, errors.New("the disk is full")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range r.Events {
		var e Entry
		if err := json.Unmarshal(one.Data, &e); err != nil {
			return 0, err
		}
		e.Action = Action(one.Name)
		p.entries, p.spaces = append(p.entries, e), append(p.spaces, one.Space)
	}
	return 1, nil
}

// drain is what was published so far, and forgets it.
func (p *published) drain() []Entry {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.entries
	p.entries, p.spaces = nil, nil
	return all
}

// inTrail runs a test of a trail. lines are those of the log.
func inTrail(t *testing.T, f func(t *testing.T, trail *Trail, to *published, lines *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		to, lines := &published{}, &bytes.Buffer{}
		trail := New(to, slog.New(slog.NewTextHandler(lines, nil)))
		f(t, trail, to, lines)
		if err := trail.Close(); err != nil {
			t.Error(err)
		}
	})
}

// held is how many tallies there are.
func (t *Trail) held() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.tallies)
}

func refused(n int) Entry {
	return Entry{Action: CredentialRefuse, From: fmt.Sprintf("192.0.%d.%d", n>>8, n&255), Door: "admin", Outcome: "invalid_key"}
}

// The first refusal is recorded at once, and the others as one count each minute; an address of IPv6 is its network.
func TestRefusals(t *testing.T) {
	t.Parallel()
	inTrail(t, func(t *testing.T, trail *Trail, to *published, lines *bytes.Buffer) {
		for i := range 3000 {
			trail.Refused(Entry{Action: CredentialRefuse, From: fmt.Sprintf("2001:db8::%x", i), Door: "admin", Outcome: "invalid_key", RequestID: fmt.Sprint(i), Target: fmt.Sprint(i)})
		}
		want := Entry{Action: CredentialRefuse, From: "2001:db8::/64", Door: "admin", Outcome: "invalid_key", Count: 1}
		if got := to.drain(); len(got) != 1 || got[0] != want {
			t.Errorf("at once %v", got)
		}
		time.Sleep(tallyEvery)
		want.Count = 2999
		if got := to.drain(); len(got) != 1 || got[0] != want {
			t.Errorf("after a minute %v", got)
		}
		if n := strings.Count(lines.String(), "level=WARN msg=audit"); n != 2 {
			t.Errorf("%d lines: %s", n, lines)
		}
		time.Sleep(2 * tallyEvery)
		if got := to.drain(); len(got) != 0 || trail.held() != 0 {
			t.Errorf("of nothing %v", got)
		}
		trail.Refused(Entry{Action: CredentialRefuse, From: "2001:db8::1", Door: "admin", Outcome: "invalid_key"})
		if got := to.drain(); len(got) != 1 {
			t.Errorf("once more %v", got)
		}
	})
}

// However many addresses are refused, the entries of a minute are bounded, and no refusal is missing from their counts.
func TestRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	inTrail(t, func(t *testing.T, trail *Trail, to *published, _ *bytes.Buffer) {
		const all, each = 20_000, 3
		total, entries, others := 0, 0, 0
		add := func() {
			for _, e := range to.drain() {
				total += e.Count
				entries++
				if e.From == othersFrom {
					others += e.Count
				}
			}
		}
		for range each {
			for n := range all {
				trail.Refused(refused(n))
			}
			if n := trail.held(); n > maxTallies+1 {
				t.Fatalf("%d tallies", n)
			}
		}
		add()
		time.Sleep(tallyEvery)
		add()
		if total != all*each || others != (all-maxTallies)*each || entries > 2*(maxTallies+1) {
			t.Errorf("%d refusals, %d of others, in %d entries", total, others, entries)
		}
	})
}

// What is done is stored before Record returns, in a space apart from refusals. Nothing in it is longer than a name.
func TestRecord(t *testing.T) {
	t.Parallel()
	inTrail(t, func(t *testing.T, trail *Trail, to *published, lines *bytes.Buffer) {
		long := strings.Repeat("é", maxText)
		for n := range 1000 {
			trail.Record(Entry{Action: KeyCreate, Who: "admin", Kind: KindAdmin, From: "192.0.2.1", Door: "admin", Target: fmt.Sprint(n), Detail: long})
			if len(to.entries) != n+1 || to.spaces[n] != Space {
				t.Fatalf("%d entries of %d", len(to.entries), n+1)
			}
		}
		if e := to.drain()[999]; e.Target != "999" || e.Outcome != Ok || e.Count != 1 || len(e.Detail) > maxText+3 || !strings.HasPrefix(long, strings.TrimSuffix(e.Detail, "…")) {
			t.Errorf("%+v", e)
		}
		trail.Refused(refused(1))
		synctest.Wait()
		if len(to.spaces) != 1 || to.spaces[0] != RefusedSpace {
			t.Errorf("%q", to.spaces)
		}
		trail.Record(Entry{Action: DatabaseDrop, Who: "ann", Kind: "account"})
		trail.Record(Entry{Action: DatabaseDrop, Who: "root", Kind: KindRoot})
		if got := strings.Join(to.spaces[1:], " "); got != ClientsSpace+" "+Space {
			t.Errorf("%q", got)
		}
		if !strings.Contains(lines.String(), "level=INFO msg=audit action=key.create who=admin kind=admin from=192.0.2.1 door=admin target=7 ") {
			t.Errorf("%s", lines)
		}
	})
}

// Who is no administrator gets a bounded number of entries, with all that was done in their counts.
func TestActorsAreBounded(t *testing.T) {
	t.Parallel()
	inTrail(t, func(t *testing.T, trail *Trail, to *published, _ *bytes.Buffer) {
		for n := range 3000 {
			trail.Record(Entry{Action: DatabaseCreate, Who: "ann", Kind: "account", From: fmt.Sprintf("2001:db8::%x", n), Door: "persistr", Target: fmt.Sprint(n)})
		}
		got := to.drain()
		if len(got) != actorBurst+1 || got[actorBurst-1].Target != "59" || got[actorBurst].Target != "" {
			t.Fatalf("%d entries", len(got))
		}
		trail.Record(Entry{Action: DatabaseCreate, Who: "bob", Kind: "account", Door: "persistr", Target: "his"})
		if got := to.drain(); len(got) != 1 || got[0].Target != "his" {
			t.Errorf("another's %v", got)
		}
		time.Sleep(tallyEvery)
		if got := to.drain(); len(got) != 1 || got[0].Count != 3000-actorBurst-1 || got[0].Who != "ann" || got[0].Outcome != Ok {
			t.Errorf("%v", got)
		}
		for n := range 2 * maxActors {
			trail.Record(Entry{Action: Login, Who: fmt.Sprint(n), Kind: "user"})
		}
		trail.mu.Lock()
		defer trail.mu.Unlock()
		if n := len(trail.actors); n > maxActors {
			t.Errorf("%d actors", n)
		}
	})
}

// An event log that takes nothing holds an action up for a moment only, and refusals not at all. What it did not take is
// counted, and stands in the log of the process.
func TestFullLog(t *testing.T) {
	t.Parallel()
	inTrail(t, func(t *testing.T, trail *Trail, to *published, lines *bytes.Buffer) {
		to.hangs = true
		began := time.Now()
		trail.Record(Entry{Action: KeyDelete, Who: "admin", Kind: KindAdmin, Target: "k1"})
		if took := time.Since(began); took != storeTimeout || trail.Dropped() != 1 {
			t.Errorf("it took %s, %d are dropped", took, trail.Dropped())
		}
		if !strings.Contains(lines.String(), "action=key.delete who=admin kind=admin target=k1") || !strings.Contains(lines.String(), "could not be stored") {
			t.Errorf("%s", lines)
		}
		for range 6 { // minutes, after which more wait than may
			began = time.Now()
			for n := range 5 * maxQueue {
				trail.Refused(refused(n))
			}
			if took := time.Since(began); took != 0 {
				t.Fatalf("refusals took %s", took)
			}
			time.Sleep(tallyEvery) // at ten seconds an entry
		}
		if trail.Dropped() < 100 {
			t.Errorf("%d are dropped", trail.Dropped())
		}
		time.Sleep(4 * tallyEvery)
		if n := len(trail.queue); n > maxQueue {
			t.Errorf("%d wait", n)
		}
		to.mu.Lock()
		to.hangs = false
		to.mu.Unlock()
		time.Sleep(tallyEvery)
		to.drain()
		trail.Refused(Entry{Action: CredentialRefuse, From: "198.51.100.1", Door: "rest", Outcome: "invalid_key"})
		if got := to.drain(); len(got) != 1 {
			t.Errorf("after the trouble %v", got)
		}
	})
}

// Close stores what was counted.
func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &published{}
		trail := New(to, slog.New(slog.DiscardHandler))
		for range 10 {
			trail.Refused(refused(1))
		}
		if err := trail.Close(); err != nil {
			t.Fatal(err)
		}
		if got := to.drain(); len(got) != 2 || got[0].Count != 1 || got[1].Count != 9 {
			t.Errorf("%v", got)
		}
	})
}
