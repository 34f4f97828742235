package pebble_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

// TestTornTail: with `process`, a power cut takes what was not synced. The log opens with the rest, and a lost position
// gets the reason lost.
func TestTornTail(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	log, _ := openLog(t, pebble.Options{FS: disk}, eventlog.Options{})
	var ids []uint64
	for range 2000 {
		ids = append(ids, put(t, log, request()))
	}
	for percent := range 4 { // none, a quarter, a half or three quarters of what was not synced is left
		cut := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 25 * percent, RNG: rand.New(rand.NewPCG(5, uint64(percent)))})
		again, _ := openLog(t, pebble.Options{FS: cut}, eventlog.Options{})
		page, err := again.Read(context.Background(), &eventlog.Query{Channels: channel.Everything()}, 0, 5000)
		if err != nil {
			t.Fatal(err)
		}
		left := len(page.Events)
		if left == len(ids) {
			t.Fatal("nothing was lost: the test tests nothing")
		}
		for i, e := range page.Events {
			if e.ID != ids[i] {
				t.Fatalf("%d: place %d holds %d, not %d", percent, i, e.ID, ids[i])
			}
		}
		for _, id := range []uint64{ids[left], ids[len(ids)-1]} {
			start, err := again.Locate(context.Background(), "", strconv.FormatUint(id, 10))
			if err != nil || start.Gap != eventlog.GapLost || start.After != again.Settled() {
				t.Errorf("%d: %d of %d were left; %d was lost: %+v %v", percent, left, len(ids), id, start, err)
			}
		}
		closeLog(t, again)
	}
	closeLog(t, log)
}

// TestWiped: a position of a wiped log is unknown to the next log, whose ids are above it.
func TestWiped(t *testing.T) {
	t.Parallel()
	log, _ := openLog(t, pebble.Options{FS: vfs.NewMem()}, eventlog.Options{})
	old := put(t, log, request())
	closeLog(t, log)
	log, _ = openLog(t, pebble.Options{FS: vfs.NewMem()}, eventlog.Options{})
	defer closeLog(t, log)
	start, err := log.Locate(context.Background(), "", strconv.FormatUint(old, 10))
	if err != nil || start.Gap != eventlog.GapUnknown || start.After != log.Settled() || start.After <= old {
		t.Errorf("%+v %v", start, err)
	}
}
