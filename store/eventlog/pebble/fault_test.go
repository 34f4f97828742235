package pebble_test

import (
	"context"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

var errInjected = errors.New("injected fault")

// faults makes the operations fail that want selects, once on is set.
type faults struct {
	on   atomic.Bool
	err  error
	want func(errorfs.Op) bool
}

func (f *faults) MaybeError(op errorfs.Op) error {
	if f.on.Load() && f.want(op) {
		return f.err
	}
	return nil
}

func (f *faults) String() string { return "faults" }

// If a WAL or MANIFEST cannot be written, synced, made or closed, the engine ends. No publish is acknowledged any more,
// everybody who waits gets an error, the cause is reported once, and after a restart everything that was acknowledged
// is there.
func TestFatalFaults(t *testing.T) {
	t.Parallel()
	on := func(part string, kinds ...errorfs.OpKind) func(errorfs.Op) bool {
		return func(op errorfs.Op) bool { return strings.Contains(op.Path, part) && slices.Contains(kinds, op.Kind) }
	}
	tests := []struct {
		name       string
		durability pebble.Durability
		want       func(errorfs.Op) bool
	}{
		{"write of the WAL", pebble.Process, on(".log", errorfs.OpFileWrite)},
		{"write of the WAL to disk", pebble.Disk, on(".log", errorfs.OpFileWrite)},
		{"fsync of the WAL", pebble.Disk, on(".log", errorfs.OpFileSync, errorfs.OpFileSyncData)},
		{"late fsync of the WAL", pebble.Process, on(".log", errorfs.OpFileSync)},
		{"making a WAL", pebble.Process, on(".log", errorfs.OpCreate, errorfs.OpReuseForWrite)},
		{"write of the MANIFEST", pebble.Process, on("MANIFEST", errorfs.OpFileWrite)},
		{"fsync of the MANIFEST", pebble.Disk, on("MANIFEST", errorfs.OpFileSync, errorfs.OpFileSyncData)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			disk := vfs.NewCrashableMem()
			f := &faults{want: tt.want, err: errInjected}
			fatal := make(chan error, 10)
			log, engine := openLog(t, pebble.Options{FS: errorfs.Wrap(disk, f), Durability: tt.durability, Fatal: func(err error) { fatal <- err }}, eventlog.Options{})
			acked := []uint64{put(t, log, large())}
			f.on.Store(true)
			acked = append(acked, untilRefused(t, log)...)
			<-engine.Failed()
			for range 3 {
				if id, err := log.Append(context.Background(), request()); !errors.Is(err, eventlog.ErrUnavailable) {
					t.Fatalf("id %d, %v", id, err)
				}
			}
			if err := <-fatal; !strings.Contains(err.Error(), "injected fault") || len(fatal) > 0 {
				t.Errorf("the cause is %v, and %d more were reported", err, len(fatal))
			}
			if err := log.Err(); err == nil || !strings.Contains(err.Error(), "injected") {
				t.Errorf("health: %v", err)
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
			f.on.Store(false)
			again, _ := openLog(t, pebble.Options{FS: disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})}, eventlog.Options{})
			holds(t, again, acked)
			closeLog(t, again)
		})
	}
}

// openLog opens a log with memtables that are soon full.
func openLog(t *testing.T, o pebble.Options, lo eventlog.Options) (*eventlog.Log, *pebble.Engine) {
	t.Helper()
	if o.Dir == "" {
		o.Dir = "log"
	}
	engine, err := pebble.Open(pebble.Small(o))
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(engine, lo)
	if err != nil {
		t.Fatal(err)
	}
	return log, engine
}

func closeLog(t *testing.T, log *eventlog.Log) {
	t.Helper()
	if err := log.Close(); err != nil {
		t.Error(err)
	}
}

func put(t *testing.T, log *eventlog.Log, r *eventlog.Request) uint64 {
	t.Helper()
	id, err := log.Append(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// untilRefused publishes until the log refuses. It returns the acknowledged ids.
func untilRefused(t *testing.T, log *eventlog.Log) (acked []uint64) {
	t.Helper()
	for range 500 {
		id, err := log.Append(context.Background(), large())
		if err == nil {
			acked = append(acked, id)
			continue
		}
		if !errors.Is(err, eventlog.ErrUnavailable) {
			t.Fatalf("after %d: %v", len(acked), err)
		}
		return acked
	}
	t.Fatal("nothing is refused")
	return nil
}

// holds checks that the log has each acknowledged id.
func holds(t *testing.T, log *eventlog.Log, acked []uint64) {
	t.Helper()
	for _, id := range acked {
		page, err := log.Read(context.Background(), &eventlog.Query{Channels: channel.Everything()}, id-1, 1)
		if err != nil || len(page.Events) != 1 || page.Events[0].ID != id {
			t.Fatalf("the acknowledged event %d: %+v %v", id, page, err)
		}
	}
}

func request() *eventlog.Request {
	return &eventlog.Request{Events: []eventlog.Event{{Name: "a", Data: []byte(`"` + strings.Repeat("x", 100) + `"`)}}}
}

// If tables cannot be made, written or synced, events are refused with the cause. The engine recovers by itself.
func TestTableFaultHeals(t *testing.T) {
	t.Parallel()
	for name, kinds := range map[string][]errorfs.OpKind{
		"create": {errorfs.OpCreate}, "write": {errorfs.OpFileWrite}, "fsync": {errorfs.OpFileSync, errorfs.OpFileSyncData},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &faults{err: errInjected, want: func(op errorfs.Op) bool { return slices.Contains(kinds, op.Kind) && strings.HasSuffix(op.Path, ".sst") }}
			disk := vfs.NewMem()
			log, engine := openLog(t, pebble.Options{FS: errorfs.Wrap(disk, f)}, eventlog.Options{WaitLimit: time.Second})
			f.on.Store(true)
			acked := untilRefused(t, log)
			if err := engine.Admit(&eventlog.Request{Events: make([]eventlog.Event, 1)}); err == nil || !strings.Contains(err.Error(), "injected") {
				t.Errorf("after %d it admits, %v", len(acked), err)
			}
			f.on.Store(false)
			healed(t, log)
			closeLog(t, log)
			again, _ := openLog(t, pebble.Options{FS: disk}, eventlog.Options{})
			holds(t, again, acked)
			closeLog(t, again)
		})
	}
}

// noise does not compress much, so that a volume fills.
var noise = func() []byte {
	b := make([]byte, 25_000)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return []byte(`"` + hex.EncodeToString(b) + `"`)
}()

func large() *eventlog.Request {
	r := &eventlog.Request{}
	for range 4 {
		r.Events = append(r.Events, eventlog.Event{Name: "a", Data: noise})
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
