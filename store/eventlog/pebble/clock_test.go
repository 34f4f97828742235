package pebble_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/pebble"
)

// TestPowerCutAndClockSetBack: ids that a power cut took are not given again, even if the only clock that goes on was
// set back. A client with one of them gets a gap with the reason lost.
func TestPowerCutAndClockSetBack(t *testing.T) {
	t.Parallel()
	for _, back := range []time.Duration{-50 * time.Second, time.Hour, 20000 * time.Hour} {
		disk, clock := vfs.NewCrashableMem(), logtest.NewClock()
		log, _ := openLog(t, pebble.Options{FS: disk, Source: clock.Source()}, eventlog.Options{})
		var last uint64
		for range 20 {
			clock.Add(4 * time.Second)
			last = put(t, log, request())
		}
		cut := disk.CrashClone(vfs.CrashCloneCfg{RNG: rand.New(rand.NewPCG(5, 5))})
		clock.Boot()
		clock.Step(-back)
		again, _ := openLog(t, pebble.Options{FS: cut, Source: clock.Source()}, eventlog.Options{})
		if start, err := again.Locate(context.Background(), "", strconv.FormatUint(last, 10)); err != nil || start.Gap != eventlog.GapLost {
			t.Errorf("set back by %s: %d was lost, the run begins at %d: %+v %v", back, last, again.Settled(), start, err)
		}
		id := put(t, again, request())
		if off := again.Clock().Time(id).Sub(clock.Now()); id <= last || off > time.Second || off < -time.Second {
			t.Errorf("set back by %s: %d after %d, of %s at %s", back, id, last, again.Clock().Time(id), clock.Now())
		}
		closeLog(t, again)
		closeLog(t, log)
	}
}

// TestOlderStore: a log whose ids are days ahead, as an older version left it, goes on from them. Its idempotency keys
// expire, and new events have the right times.
func TestOlderStore(t *testing.T) {
	t.Parallel()
	disk, clock := vfs.NewMem(), logtest.NewClock()
	clock.Step(72 * time.Hour)
	log, _ := openLog(t, pebble.Options{FS: disk, Source: clock.Source()}, eventlog.Options{})
	once, _, err := log.Once("me", "k", [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	r := request()
	r.Once = once
	old, was := put(t, log, r), clock.Now()
	closeLog(t, log)
	pebble.ForgetClock(t, pebble.Options{FS: disk, Source: clock.Source()})
	clock.Step(-72 * time.Hour)
	log, _ = openLog(t, pebble.Options{FS: disk, Source: clock.Source()}, eventlog.Options{})
	defer closeLog(t, log)
	if _, answer, err := log.Once("me", "k", [32]byte{1}); err != nil || answer == nil || answer.First != old {
		t.Errorf("a repeat at once: %+v %v", answer, err)
	}
	clock.Add(2 * time.Minute)
	_, answer, err := log.Once("me", "k", [32]byte{1})
	if err != nil || answer != nil {
		t.Fatalf("a repeat after two minutes: %+v %v", answer, err)
	}
	repeat := request()
	repeat.Once = once
	if id := put(t, log, repeat); id <= old || once.Replayed {
		t.Errorf("a repeat after two minutes got %d, replayed %v", id, once.Replayed)
	}
	id := put(t, log, request())
	if now := log.Clock().Time(id); id <= old || now.Sub(clock.Now()).Abs() > time.Second || log.Clock().Time(old).Sub(was).Abs() > time.Second {
		t.Errorf("%d of %s after %d of %s", id, now, old, log.Clock().Time(old))
	}
}

// TestAnchors: an anchor is stored soon after each commit and each step of the clock, and every minute.
func TestAnchors(t *testing.T) {
	t.Parallel()
	disk, clock := vfs.NewMem(), logtest.NewClock()
	log, engine := openLog(t, pebble.Options{FS: disk, Source: clock.Source()}, eventlog.Options{})
	defer closeLog(t, log)
	before := pebble.StoredAnchor(t, engine)
	stored := func(what string, is func(a *eventlog.Anchor) bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if a := pebble.StoredAnchor(t, engine); is(a) {
				before = a
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: still %+v", what, before)
			}
		}
	}
	clock.Add(10 * time.Second)
	id := put(t, log, request())
	stored("an event", func(a *eventlog.Anchor) bool { return a.At >= id && a.Slack > 0 })
	clock.Step(-time.Hour)
	stored("a step", func(a *eventlog.Anchor) bool { return a.Wall < before.Wall })
	clock.Add(2 * time.Minute)
	stored("a minute", func(a *eventlog.Anchor) bool { return a.At > before.At })
	clock.Sleep(5 * time.Minute)
	stored("a sleep", func(a *eventlog.Anchor) bool { return a.At >= before.At+5*60_000_000 })
}
