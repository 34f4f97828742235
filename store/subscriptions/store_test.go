package subscriptions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/eventlog/pebble"
	"sluice/store/rows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var background = context.Background()

// openLog opens a log in memory.
func openLog(t *testing.T) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return log
}

func openStore(t *testing.T, log *eventlog.Log, bytes int64) *Store {
	t.Helper()
	s, err := Open(Options{Log: log, Logger: slog.New(slog.DiscardHandler), Bytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *Store) mustName(t *testing.T, of, list string) string {
	t.Helper()
	name, err := s.Name(background, of, list)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func (s *Store) mustUse(t *testing.T, of, name, want string) (release func()) {
	t.Helper()
	list, release, err := s.Use(background, of, name)
	if err != nil || list != want {
		t.Fatalf("%q, %v, want %q", list, err, want)
	}
	return release
}

func (s *Store) unknown(t *testing.T, of, name string) {
	t.Helper()
	if _, _, err := s.Use(background, of, name); !errors.Is(err, ErrUnknown) {
		t.Fatalf("%v, want ErrUnknown", err)
	}
}

// stored counts the rows of names in a log.
func stored(t *testing.T, log *eventlog.Log) (n int) {
	t.Helper()
	for _, prefix := range []string{rows.Subscription, rows.Channels} {
		err := log.Rows(prefix, func(eventlog.Row) error {
			n++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// A name stays while it is in use, however long, and for Life after that. Then it ends, and nothing of it is left.
func TestLifeOfAName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := openLog(t)
		a, b := openStore(t, log, 1<<20), openStore(t, log, 1<<20) // two gateways
		name := a.mustName(t, "k", "a,b")
		release := b.mustUse(t, "k", name, "a,b")
		time.Sleep(3 * time.Hour) // a stream
		release()
		time.Sleep(Life - time.Second)
		b.mustUse(t, "k", name, "a,b")() // it comes back, and goes at once
		for range 20 {                   // and again and again: requests without a stream
			time.Sleep(Life - time.Second)
			a.mustUse(t, "k", name, "a,b")()
		}
		time.Sleep(Gone + time.Minute)
		a.unknown(t, "k", name)
		b.unknown(t, "k", name)
		if n := stored(t, log); n != 0 || a.Count() != 0 || a.all != 0 || len(a.taken) != 0 {
			t.Errorf("%d rows, %d names, %d bytes of %d owners are left", n, a.Count(), a.all, len(a.taken))
		}
		if again := a.mustName(t, "k", "a,b"); again != name {
			t.Errorf("the same list has the name %s, and had %s", again, name)
		}
		b.mustUse(t, "k", name, "a,b")()
	})
}

// The same list of the same owner has one name. Nobody else can use it.
func TestOneNameForAList(t *testing.T) {
	t.Parallel()
	log := openLog(t)
	s := openStore(t, log, 1<<20)
	name := s.mustName(t, "k", "a,b")
	for range 100 {
		if again := s.mustName(t, "k", "a,b"); again != name {
			t.Fatalf("%s and %s", name, again)
		}
	}
	if n := stored(t, log); n != 2 {
		t.Errorf("%d rows of one name", n)
	}
	for _, other := range []struct{ of, list string }{{"k", "a"}, {"k", "a,b,c"}, {"l", "a,b"}, {"ka", ",b"}} {
		if s.mustName(t, other.of, other.list) == name {
			t.Errorf("%v has the same name", other)
		}
	}
	s.unknown(t, "l", name)
	s.unknown(t, "", name)
	for _, bad := range []string{"", "x", name[1:], name + "a", strings.ToUpper(name), strings.Repeat("a", nameLength), "../" + name[3:], name[:25] + "/"} {
		s.unknown(t, "k", bad)
	}
}

// Many who use a name for long cost few writes: one in some minutes, by the gateway that is used.
func TestUseWritesLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := openLog(t)
		s := openStore(t, log, 1<<20)
		openStore(t, log, 1<<20)
		name := s.mustName(t, "k", "a")
		lives, lists := 0, 0
		for prefix, n := range map[string]*int{rows.Subscription: &lives, rows.Channels: &lists} {
			if err := log.Follow(prefix, func(c eventlog.Changes) { *n += len(c.Rows) }); err != nil {
				t.Fatal(err)
			}
		}
		open := s.mustUse(t, "k", name, "a")
		for range 240 { // an hour
			time.Sleep(15 * time.Second)
			s.mustUse(t, "k", name, "a")()
			s.mustName(t, "k", "a")
		}
		open()
		time.Sleep(time.Second)
		if lives < 10 || lives > 14 || lists != 1 { // both have the one that was there
			t.Errorf("%d lives and %d lists were stored in an hour", lives, lists)
		}
	})
}

// Names take at most their bytes: a quarter those of one owner, and the last quarter is for owners with few.
func TestBoundsOfNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := openLog(t)
		const bytes = 1 << 20
		s := openStore(t, log, bytes)
		list := strings.Repeat("x", 3<<10) // 4 KiB with the overhead
		fill := func(of string) (n int, err error) {
			for ; err == nil; n++ {
				_, err = s.Name(background, of, fmt.Sprint(list[:len(list)-4], 1000+n))
			}
			return n - 1, err
		}
		if n, err := fill("k0"); n != 64 || !errors.Is(err, ErrOwner) {
			t.Errorf("one owner has %d: %v", n, err)
		}
		s.mustName(t, "k0", list[:len(list)-4]+"1000") // it is there
		for of := 1; of < 3; of++ {
			if n, err := fill(fmt.Sprint("k", of)); n != 64 || !errors.Is(err, ErrOwner) {
				t.Errorf("owner %d has %d: %v", of, n, err)
			}
		}
		for _, one := range []struct { // the last quarter: 4 KiB are few
			of   string
			want int
		}{{"few", 1}, {"fewer", 1}} {
			if n, err := fill(one.of); n != one.want || !errors.Is(err, ErrAll) {
				t.Errorf("%s has %d: %v", one.of, n, err)
			}
		}
		time.Sleep(Gone + time.Minute)
		if n, err := fill("k9"); n != 64 || !errors.Is(err, ErrOwner) {
			t.Errorf("when all have ended, one owner has %d: %v", n, err)
		}
	})
}

// Requests at the same moment pass no bound.
func TestBoundsTogether(t *testing.T) {
	t.Parallel()
	s := openStore(t, openLog(t), 80*overhead)
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() { s.Name(background, "k", fmt.Sprint("a", i%50)) })
	}
	group.Wait()
	if n := s.Count(); n == 0 || n > 19 { // a quarter of 80, each with some bytes more
		t.Errorf("%d names of one owner", n)
	}
	if s.all != s.taken[ownerOf("k")] || s.all > 20*overhead || s.all < int64(s.Count())*overhead {
		t.Errorf("%d bytes are counted, %d of the owner", s.all, s.taken[ownerOf("k")])
	}
}

// Names are there after a restart, and their time has gone on.
func TestNamesStayOverRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() (*eventlog.Log, *Store, func()) {
		engine, err := pebble.Open(pebble.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		log, err := eventlog.Open(engine, eventlog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(Options{Log: log, Logger: slog.New(slog.DiscardHandler), Bytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return log, s, func() {
			s.Close()
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	_, s, end := open()
	name := s.mustName(t, "k", "a,b")
	until, all := s.of[name].until, s.all
	end()
	log, s, end := open()
	defer end()
	s.mustUse(t, "k", name, "a,b")()
	if s.of[name].until != until || s.all != all || log.Clock().Now() >= until {
		t.Errorf("until %d, was %d; %d bytes, were %d", s.of[name].until, until, s.all, all)
	}
}

// A name that is used just before its end is there at other gateways, too, before they look next.
func TestUsedAtItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := openLog(t)
		a, b := openStore(t, log, 1<<20), openStore(t, log, 1<<20)
		time.Sleep(lookEvery / 2)
		name := a.mustName(t, "k", "a")
		time.Sleep(storedFor - 2*time.Second)
		a.mustUse(t, "k", name, "a")()
		time.Sleep(4 * time.Second)
		b.mustUse(t, "k", name, "a")()
	})
}

// What this gateway uses is renewed, and what nobody uses is removed, but not before another gateway could renew it.
func TestDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, openLog(t), 1<<20)
		for _, tt := range []struct {
			left           time.Duration
			used           bool
			open           int
			renew, removed bool
		}{
			{left: renewBelow + time.Second, used: true, open: 1},
			{left: renewBelow - time.Second, used: true, renew: true},
			{left: renewBelow - time.Second, open: 1, renew: true},
			{left: renewBelow - time.Second},
			{left: -time.Second},
			{left: -removeAfter + time.Second},
			{left: -removeAfter - time.Second, removed: true},
			{left: -removeAfter - time.Second, used: true, renew: true},
			{left: -removeAfter - time.Second, open: 2, renew: true},
		} {
			one := &life{until: uint64(int64(s.from(0)) + tt.left.Microseconds()), used: tt.used}
			s.mu.Lock()
			s.of = map[string]*life{"n": one}
			s.open = map[string]int{"n": tt.open}
			s.mu.Unlock()
			renew, remove := s.due()
			if (len(renew) == 1) != tt.renew || (len(remove) == 1) != tt.removed {
				t.Errorf("%+v: renew %v, remove %v", tt, renew, remove)
			}
		}
	})
}
