package pebble_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

// gauge is a disk in memory whose free space a test sets.
type gauge struct {
	vfs.FS
	free atomic.Uint64
}

func (g *gauge) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: g.free.Load(), TotalBytes: 1 << 40}, nil
}

// TestLevels: what is refused at which free space. Taking and refusing do not alternate at a level.
func TestLevels(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20 // a memtable
	disk := &gauge{FS: vfs.NewMem()}
	disk.free.Store(20 * mib)
	log, engine := openLog(t, pebble.Options{FS: disk}, eventlog.Options{})
	defer closeLog(t, log)
	for _, step := range []struct {
		free            uint64
		events, reserve bool
	}{
		{20 * mib, true, true}, {8 * mib, true, true}, {8*mib - 1, false, true}, {8 * mib, false, true}, {10*mib - 1, false, true}, {10 * mib, true, true},
		{9 * mib, true, true}, {7 * mib, false, true}, {2 * mib, false, true}, {2*mib - 1, false, false}, {2 * mib, false, false}, {3*mib - 1, false, false},
		{3 * mib, false, true}, {0, false, false}, {9 * mib, false, true}, {11 * mib, true, true},
	} {
		disk.free.Store(step.free)
		engine.Look()
		if events, reserve := engine.Admit(&eventlog.Request{Events: make([]eventlog.Event, 1)}) == nil, engine.Admit(&eventlog.Request{FromReserve: true}) == nil; events != step.events || reserve != step.reserve {
			t.Errorf("with %d bytes free: events %v, from the reserve %v", step.free, events, reserve)
		}
	}
	// admit runs again before the commit, so a request that waited is not stored if the disk has become full.
	disk.free.Store(0)
	engine.Look()
	if _, err := log.Append(t.Context(), request()); !eventlog.DiskFull(err) || errors.Is(err, eventlog.ErrUnknown) {
		t.Errorf("%v", err)
	}
}

// TestFastWriter: a fast writer does not go below the level between two looks, which are a second apart.
func TestFastWriter(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	disk := &gauge{FS: vfs.NewMem()}
	disk.free.Store(20 * mib)
	log, _ := openLog(t, pebble.Options{FS: disk}, eventlog.Options{})
	defer closeLog(t, log)
	put(t, log, large())
	disk.free.Store(5 * mib)
	for n := 0; ; n++ {
		if _, err := log.Append(t.Context(), large()); eventlog.DiskFull(err) {
			break
		}
		if n*4*len(noise) > 3*mib {
			t.Fatalf("%d requests were taken", n)
		}
	}
}

// TestNoLoopOfFlushes: a table that cannot be written is tried again a few times a second, not hundreds of times, since
// each try compresses a memtable.
func TestNoLoopOfFlushes(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]error{"full": syscall.ENOSPC, "broken": syscall.EIO} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int64
			f := &faults{err: cause, want: func(op errorfs.Op) bool {
				yes := op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst")
				if yes {
					tries.Add(1)
				}
				return yes
			}}
			log, _ := openLog(t, pebble.Options{FS: errorfs.Wrap(vfs.NewMem(), f)}, eventlog.Options{WaitLimit: 100 * time.Millisecond})
			defer closeLog(t, log)
			f.on.Store(true)
			untilRefused(t, log)
			began, before := time.Now(), tries.Load()
			for time.Since(began) < 3*time.Second {
				time.Sleep(50 * time.Millisecond)
			}
			if n := tries.Load() - before; n == 0 || n > int64(12*time.Since(began).Seconds()) {
				t.Errorf("%d tries in %v", n, time.Since(began))
			}
			f.on.Store(false)
			healed(t, log)
		})
	}
}
