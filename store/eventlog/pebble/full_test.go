package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

// TestDiskFull fills a small volume. Events are refused with the cause, no acknowledged event is lost, and the engine
// recovers when space is free again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Logf("no volume can be mounted here (%v: %s); TestNoRoom holds the same", err, out)
		return
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	folder := filepath.Join(dir, "log")
	log, engine := openLog(t, pebble.Options{Dir: folder, Reserve: 4 << 20}, eventlog.Options{WaitLimit: 3 * time.Second})
	acked := untilRefused(t, log)
	if len(acked) == 0 || engine.Health() == nil {
		t.Errorf("after %d requests it says that it is well", len(acked))
	}
	// The operator sees which folder is full. A client sees only that the disk is full.
	if why := engine.Health(); !strings.Contains(fmt.Sprint(why), folder) || eventlog.Explain(why) != fullText {
		t.Errorf("%v, and to clients %s", why, eventlog.Explain(why))
	}
	if out, err := exec.Command("mount", "-o", "remount,size=512m", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	healed(t, log)
	closeLog(t, log)
	log, _ = openLog(t, pebble.Options{Dir: folder}, eventlog.Options{})
	defer closeLog(t, log)
	holds(t, log, acked)
}

const fullText = "the log cannot take events now: the disk is full; the operator must free space"

// noRoom is a disk on which nothing can be made or written once it is on.
func noRoom() *faults {
	return &faults{err: syscall.ENOSPC, want: func(op errorfs.Op) bool {
		return slices.Contains([]errorfs.OpKind{errorfs.OpFileWrite, errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpLink}, op.Kind)
	}}
}

// TestNoRoom is TestDiskFull without a volume, with a disk that is suddenly full, in both durabilities.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]pebble.Durability{"process": pebble.Process, "disk": pebble.Disk} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, disk := noRoom(), vfs.NewMem()
			log, engine := openLog(t, pebble.Options{FS: errorfs.Wrap(disk, f), Durability: d}, eventlog.Options{WaitLimit: time.Second})
			acked := []uint64{put(t, log, large())}
			f.on.Store(true)
			_, err := log.Append(context.Background(), request())
			if !errors.Is(err, eventlog.ErrUnavailable) || !errors.Is(err, eventlog.ErrUnknown) {
				t.Errorf("one that waited: %v", err)
			}
			if _, err = log.Append(context.Background(), request()); !errors.Is(err, eventlog.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) || eventlog.Explain(err) != fullText {
				t.Errorf("one that came later: %v, and to clients %s", err, eventlog.Explain(err))
			}
			if engine.Admit(&eventlog.Request{Events: make([]eventlog.Event, 1)}) == nil {
				t.Error("it admits")
			}
			f.on.Store(false)
			healed(t, log)
			select {
			case <-engine.Failed():
				t.Error("it has failed for good")
			default:
			}
			closeLog(t, log)
			again, _ := openLog(t, pebble.Options{FS: disk}, eventlog.Options{})
			holds(t, again, acked)
			closeLog(t, again)
		})
	}
}

// TestCloseWithoutRoom: a full disk delays the end of the process only for a moment, and afterwards everything that was
// acknowledged is there.
func TestCloseWithoutRoom(t *testing.T) {
	t.Parallel()
	f, disk := noRoom(), vfs.NewCrashableMem()
	log, _ := openLog(t, pebble.Options{FS: errorfs.Wrap(disk, f)}, eventlog.Options{})
	acked := []uint64{put(t, log, large()), put(t, log, request())}
	f.on.Store(true)
	if err := log.Close(); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	again, _ := openLog(t, pebble.Options{FS: disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(3, 4))})}, eventlog.Options{})
	holds(t, again, acked)
	closeLog(t, again)
}

// TestReserve: with less free space than the reserve, the engine starts and refuses events. It takes what withdraws
// trust or makes room.
func TestReserve(t *testing.T) {
	t.Parallel()
	log, engine := openLog(t, pebble.Options{Dir: t.TempDir(), Reserve: 1 << 60}, eventlog.Options{})
	defer closeLog(t, log)
	if why := engine.Health(); why == nil || !strings.Contains(why.Error(), "MiB") {
		t.Errorf("%v", why)
	}
	if _, err := log.Append(t.Context(), request()); !eventlog.DiskFull(err) {
		t.Errorf("an event: %v", err)
	}
	row := eventlog.Row{Key: "k", Value: []byte("v")}
	if _, err := log.Append(t.Context(), &eventlog.Request{Rows: []eventlog.Row{row}}); !eventlog.DiskFull(err) {
		t.Errorf("a row: %v", err)
	}
	for name, r := range map[string]*eventlog.Request{
		"a row that withdraws":  {Rows: []eventlog.Row{row}, FromReserve: true},
		"the removal of a row":  {Rows: []eventlog.Row{{Key: "k"}}},
		"the drop of a space":   {Edit: &eventlog.Edit{Drop: []string{"$db/x"}}},
		"a barrier":             {},
		"a removal of an event": {Edit: &eventlog.Edit{Remove: []eventlog.Event{{ID: 1, Space: "$db/x", Name: "a"}}}},
	} {
		if _, err := log.Append(t.Context(), r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
