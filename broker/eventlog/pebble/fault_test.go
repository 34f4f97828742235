package pebble_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"sluice/broker/channel"
	"sluice/broker/eventlog"
	"sluice/broker/eventlog/pebble"
)

var errInjected = errors.New("injected fault")

// faults fail the operations that want says, once on is set.
type faults struct {
	on   atomic.Bool
	want func(errorfs.Op) bool
}

func (f *faults) MaybeError(op errorfs.Op) error {
	if f.on.Load() && f.want(op) {
		return errInjected
	}
	return nil
}

func (f *faults) String() string { return "faults" }

// A WAL or MANIFEST that cannot be written or synced ends the engine: no publish is acknowledged, all
// who wait are told, the cause is told, and after a restart all that was acknowledged is there.
func TestFatalFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		durability pebble.Durability
		want       func(errorfs.Op) bool
	}{
		{"write of the WAL", pebble.Process, func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".log")
		}},
		{"fsync of the WAL", pebble.Disk, func(op errorfs.Op) bool {
			return (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) && strings.HasSuffix(op.Path, ".log")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			disk := vfs.NewCrashableMem()
			f := &faults{want: tt.want}
			fatal := make(chan error, 10)
			engine, err := pebble.Open(pebble.Options{Dir: "log", FS: errorfs.Wrap(disk, f), Durability: tt.durability, Fatal: func(err error) { fatal <- err }})
			if err != nil {
				t.Fatal(err)
			}
			log, err := eventlog.Open(engine, eventlog.Options{})
			if err != nil {
				t.Fatal(err)
			}
			acked, err := log.Append(context.Background(), request())
			if err != nil {
				t.Fatal(err)
			}
			f.on.Store(true)
			for range 3 {
				if id, err := log.Append(context.Background(), request()); !errors.Is(err, eventlog.ErrUnavailable) {
					t.Fatalf("id %d, %v", id, err)
				}
			}
			if err := <-fatal; !strings.Contains(err.Error(), "injected fault") || len(fatal) > 0 {
				t.Errorf("told %v, and %d more", err, len(fatal))
			}
			if err := log.Err(); err == nil || !strings.Contains(err.Error(), "injected") {
				t.Errorf("health: %v", err)
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
			f.on.Store(false)
			again := reopen(t, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))}))
			page, err := again.Read(context.Background(), &eventlog.Query{Channels: channel.Everything()}, 0, 10)
			if err != nil || len(page.Events) == 0 || page.Events[0].ID != acked {
				t.Errorf("after a restart: %+v %v", page, err)
			}
		})
	}
}

func request() *eventlog.Request {
	return &eventlog.Request{Events: []eventlog.Event{{Name: "a", Data: []byte(`"` + strings.Repeat("x", 100) + `"`)}}}
}

func reopen(t *testing.T, fs vfs.FS) *eventlog.Log {
	t.Helper()
	engine, err := pebble.Open(pebble.Options{Dir: "log", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(engine, eventlog.Options{})
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

// Tables that cannot be written refuse events with the cause, and it heals by itself.
func TestTableFaultHeals(t *testing.T) {
	t.Parallel()
	f := &faults{want: func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") }}
	engine, err := pebble.Open(pebble.Options{Dir: "log", FS: errorfs.Wrap(vfs.NewMem(), f)})
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(engine, eventlog.Options{WaitLimit: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	f.on.Store(true)
	stored := 0
	for err == nil && stored < 100_000 {
		if _, err = log.Append(context.Background(), large()); err == nil {
			stored++
		}
	}
	if !errors.Is(err, eventlog.ErrUnavailable) || log.Err() == nil {
		t.Errorf("after %d: %v, health %v", stored, err, log.Err())
	}
	f.on.Store(false)
	healed(t, log)
	if err := log.Close(); err != nil {
		t.Error(err)
	}
}

func large() *eventlog.Request {
	r := &eventlog.Request{}
	for range 20 {
		r.Events = append(r.Events, eventlog.Event{Name: "a", Data: []byte(`"` + strings.Repeat("x", 50_000) + `"`)})
	}
	return r
}

// healed publishes until it works.
func healed(t *testing.T, log *eventlog.Log) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := log.Append(context.Background(), request())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it did not heal: %v", err)
		}
	}
}

// TestDiskFull fills a small volume: events are refused with the cause, none that was acknowledged is
// lost, and it heals when there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Logf("no volume can be mounted here (%v: %s); TestTableFaultHeals and TestReserve hold the same", err, out)
		return
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	folder := filepath.Join(dir, "log")
	engine, err := pebble.Open(pebble.Options{Dir: folder, Reserve: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(engine, eventlog.Options{WaitLimit: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var acked []uint64
	for err == nil {
		var id uint64
		if id, err = log.Append(context.Background(), large()); err == nil {
			acked = append(acked, id)
		}
		if len(acked) > 1000 {
			t.Fatal("the volume does not fill")
		}
	}
	if !errors.Is(err, eventlog.ErrUnavailable) {
		t.Fatal(err)
	}
	t.Logf("after %d requests of 1 MB: %v; health: %v", len(acked), err, log.Err())
	if engine.Health() == nil {
		t.Error("it says that it is well")
	}
	if out, err := exec.Command("mount", "-o", "remount,size=512m", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	healed(t, log)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if engine, err = pebble.Open(pebble.Options{Dir: folder}); err != nil {
		t.Fatal(err)
	}
	if log, err = eventlog.Open(engine, eventlog.Options{}); err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, id := range acked {
		page, err := log.Read(context.Background(), &eventlog.Query{Channels: channel.Everything()}, id-1, 1)
		if err != nil || len(page.Events) != 1 || page.Events[0].ID != id {
			t.Fatalf("the acknowledged event %d: %+v %v", id, page, err)
		}
	}
}

// TestReserve: with less free than must stay so, nothing starts, and the need is told.
func TestReserve(t *testing.T) {
	t.Parallel()
	_, err := pebble.Open(pebble.Options{Dir: t.TempDir(), Reserve: 1 << 60})
	if err == nil || !strings.Contains(err.Error(), "MiB") || !strings.Contains(err.Error(), "must stay") {
		t.Errorf("%v", err)
	}
}

func TestLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	engine, err := pebble.Open(pebble.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	if _, err := pebble.Open(pebble.Options{Dir: dir}); !errors.Is(err, eventlog.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second one: %v", err)
	}
}

// TestTornTail: a power cut in `process` takes what was not synced. The log opens with the rest, and a
// position in what was lost is told as lost.
func TestTornTail(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	engine, err := pebble.Open(pebble.Options{Dir: "log", FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []uint64
	for range 2000 {
		id, err := log.Append(context.Background(), request())
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	cut := disk.CrashClone(vfs.CrashCloneCfg{})
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	again := reopen(t, cut)
	page, err := again.Read(context.Background(), &eventlog.Query{Channels: channel.Everything()}, 0, 5000)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range page.Events {
		if e.ID != ids[i] {
			t.Fatalf("place %d holds %d, not %d", i, e.ID, ids[i])
		}
	}
	t.Logf("%d of %d were left", len(page.Events), len(ids))
	if len(page.Events) == len(ids) {
		t.Fatal("nothing was lost: the test tests nothing")
	}
	start, err := again.Locate("", uitoa(ids[len(ids)-1]))
	if err != nil || start.Gap != eventlog.GapLost && start.Gap != eventlog.GapUnknown || start.After != again.Settled() {
		t.Errorf("%+v %v", start, err)
	}
}
