package pebble_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

// TestDamageOfReused: a write-ahead log may reuse the file of an older one, whose rest follows its end. That is no
// damage, wherever a kill ends the log.
func TestDamageOfReused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, _ := openLog(t, pebble.Options{Dir: dir}, eventlog.Options{})
	defer closeLog(t, log)
	for range 60 { // each a tenth of a memtable and more
		put(t, log, large())
	}
	reused := 0
	for round := range 40 {
		size := 1 + rand.N(40)
		r := request()
		for range size {
			r.Events = append(r.Events, r.Events[0])
		}
		put(t, log, r)
		if round%3 == 0 {
			put(t, log, large())
		}
		found, err := filepath.Glob(filepath.Join(dir, "*.log"))
		if err != nil || len(found) == 0 {
			t.Fatalf("%v %v", found, err)
		}
		newest := slices.Max(found)
		text, err := os.ReadFile(newest)
		if err != nil {
			t.Fatal(err)
		}
		copied := t.TempDir()
		file := filepath.Join(copied, filepath.Base(newest))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if bytes, commits := pebble.DamageOf(copied, vfs.Default); bytes != 0 || commits != 0 {
			t.Fatalf("round %d: %d bytes, %d commits", round, bytes, commits)
		}
		if len(strings.TrimRight(string(text[len(text)/2:]), "\x00")) > 0 && len(text) > 500_000 {
			reused++
		}
	}
	if reused == 0 {
		t.Error("no file was reused: this tests nothing")
	}
}
