package pebble_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

// contents are the files of a folder, with their times.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		all[file.Name()] = info.ModTime().String() + info.Mode().String() + string(sum[:])
	}
	return all
}

// verifyAll inspects a folder. It returns its faults and its digest.
func verifyAll(t *testing.T, dir string) (faults []string, sum [32]byte) {
	t.Helper()
	i, err := pebble.Inspect(pebble.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = i.Verify(context.Background(), pebble.Verifying{Fault: func(text string) { faults = append(faults, text) }})
	if err == nil && len(faults) == 0 {
		sum, err = i.Digest(context.Background(), nil)
	}
	if err := errors.Join(err, i.Close()); err != nil {
		t.Fatal(err)
	}
	return faults, sum
}

// TestInspectChangesNothing: an inspection changes no file and no time of one, also if the newest events are only in the
// write-ahead log. A backup has the same digest.
func TestInspectChangesNothing(t *testing.T) {
	t.Parallel()
	dir, backup := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	log, engine := openLog(t, pebble.Options{Dir: dir}, eventlog.Options{})
	for range 3 {
		put(t, log, large())
	}
	put(t, log, request())
	if err := engine.Backup(backup); err != nil {
		t.Fatal(err)
	}
	closeLog(t, log)
	var sums [2][32]byte
	for i, folder := range []string{dir, backup} {
		before := contents(t, folder)
		faults, sum := verifyAll(t, folder)
		if len(faults) > 0 {
			t.Errorf("%s: %v", folder, faults)
		}
		sums[i] = sum
		after := contents(t, folder)
		for name := range after {
			if before[name] != after[name] {
				t.Errorf("%s of %s was changed or made", name, folder)
			}
		}
		if len(before) != len(after) {
			t.Errorf("%s had %d files, and has %d", folder, len(before), len(after))
		}
	}
	if sums[0] != sums[1] || sums[0] == [32]byte{} {
		t.Errorf("the digests are %x and %x", sums[0], sums[1])
	}
}

// TestInspectLocks: an inspection and a gateway exclude each other, but two inspections do not.
func TestInspectLocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := pebble.Inspect(pebble.Options{Dir: dir}); !errors.Is(err, pebble.ErrNoLog) {
		t.Fatal(err)
	}
	log, _ := openLog(t, pebble.Options{Dir: dir}, eventlog.Options{})
	put(t, log, request())
	if _, err := pebble.Inspect(pebble.Options{Dir: dir}); !errors.Is(err, eventlog.ErrLocked) {
		t.Errorf("a gateway runs: %v", err)
	}
	closeLog(t, log)
	one, err := pebble.Inspect(pebble.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if faults, _ := verifyAll(t, dir); len(faults) > 0 {
		t.Error(faults)
	}
	if _, err := pebble.Open(pebble.Options{Dir: dir}); !errors.Is(err, eventlog.ErrLocked) {
		t.Errorf("an inspection is open: %v", err)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	log, _ = openLog(t, pebble.Options{Dir: dir}, eventlog.Options{})
	closeLog(t, log)
}

// TestInspectDamage: a write-ahead log that is damaged in the middle, and a table that cannot be read, are faults.
func TestInspectDamage(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{"*.log": "the newest write-ahead log", "*.sst": "are not checked: "} {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			dir, backup := t.TempDir(), filepath.Join(t.TempDir(), "backup")
			log, engine := openLog(t, pebble.Options{Dir: dir}, eventlog.Options{})
			for range 30 {
				put(t, log, large())
			}
			for range 9 {
				put(t, log, request())
			}
			if err := engine.Backup(backup); err != nil {
				t.Fatal(err)
			}
			closeLog(t, log)
			files, err := filepath.Glob(filepath.Join(backup, pattern))
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			file := files[len(files)-1]
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text[len(text)/3] ^= 0xff
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			faults, _ := verifyAll(t, backup)
			if !strings.Contains(strings.Join(faults, "\n"), want) {
				t.Errorf("%v\nwant: %s", faults, want)
			}
		})
	}
}

// TestInspectTornTail: what a power cut leaves has no faults.
func TestInspectTornTail(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	log, _ := openLog(t, pebble.Options{FS: disk}, eventlog.Options{})
	for range 300 {
		put(t, log, request())
	}
	verifyClosed(t, disk.CrashClone(vfs.CrashCloneCfg{}))
	closeLog(t, log)
}
