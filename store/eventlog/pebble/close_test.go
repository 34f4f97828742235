package pebble_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

// child is the environment variable that makes TestLocked's second process try the folder it names.
const child = "PEBBLE_TEST_OPEN"

func TestMain(m *testing.M) {
	// Each case opens the engine several times, so try few; make models tries more.
	if err := flag.Set("rapid.checks", "40"); err != nil { // the command line overrides it
		panic(err)
	}
	if dir := os.Getenv(child); dir != "" {
		if _, err := pebble.Open(pebble.Options{Dir: dir}); err != nil {
			os.Stdout.WriteString(err.Error())
			if errors.Is(err, eventlog.ErrLocked) {
				os.Exit(3)
			}
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestLocked: until the engine is closed, no second engine gets the folder, of this process or of another. The error of
// a folder that cannot be written does not say that it is locked.
func TestLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	engine, err := pebble.Open(pebble.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pebble.Open(pebble.Options{Dir: dir}); !errors.Is(err, eventlog.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second one: %v", err)
	}
	other := func() (string, int) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), child+"="+dir)
		out, _ := cmd.Output()
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, code := other(); code != 3 || !strings.Contains(out, dir) {
		t.Errorf("another process: %d, %s", code, out)
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	if out, code := other(); code != 0 {
		t.Errorf("another process afterwards: %d, %s", code, out)
	}
}

// TestCloseLeavesNothing is not parallel, so that it sees no goroutines of other tests.
func TestCloseLeavesNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	for _, d := range []pebble.Durability{pebble.Process, pebble.Disk} {
		log, _ := openLog(t, pebble.Options{FS: vfs.NewMem(), Durability: d}, eventlog.Options{})
		for range 40 {
			put(t, log, large())
		}
		closeLog(t, log)
	}
	goleak.VerifyNone(t, before)
}

// TestClosed: calls after Close, or during it, return an error, and a second Close does nothing.
func TestClosed(t *testing.T) {
	t.Parallel()
	log, engine := openLog(t, pebble.Options{FS: vfs.NewMem()}, eventlog.Options{})
	put(t, log, request())
	read := func() error {
		_, err := engine.Read(context.Background(), &eventlog.Query{Channels: channel.Everything()}, 0, 1, 1)
		return err
	}
	started, ended := make(chan struct{}), make(chan error)
	go func() {
		close(started)
		for {
			if err := read(); err != nil {
				ended <- err
				return
			}
		}
	}()
	<-started
	for range 2 {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	}
	_, head := engine.Head("", "s")
	_, state := engine.State("")
	_, trims := engine.Trims(context.Background())
	for name, err := range map[string]error{
		"read under way": <-ended, "read": read(), "head": head, "state": state, "commit": engine.Commit(&eventlog.Group{Applied: eventlog.Applied{Last: 1}}),
		"answers": engine.Answers(0, func(eventlog.Answer) {}), "trims": trims, "backup": engine.Backup("copy"),
	} {
		if !errors.Is(err, eventlog.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := engine.Sizes(); s != (pebble.Sizes{}) {
		t.Errorf("sizes: %+v", s)
	}
}

// TestCheckpoint: the copy of a log in use opens as a log, with everything that was acknowledged before.
func TestCheckpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, engine := openLog(t, pebble.Options{Dir: filepath.Join(dir, "log")}, eventlog.Options{})
	var acked []uint64
	for range 40 { // some are in tables, some in the WAL
		acked = append(acked, put(t, log, large()))
	}
	acked = append(acked, put(t, log, request()))
	folder := filepath.Join(dir, "copies", "1")
	if err := engine.Backup(folder); err != nil {
		t.Fatal(err)
	}
	if err := engine.Backup(folder); err == nil || !strings.Contains(err.Error(), folder) {
		t.Errorf("onto one that exists: %v", err)
	}
	put(t, log, request())
	if s := engine.Sizes(); s.Disk < 2_000_000 || s.Write == 0 {
		t.Errorf("%+v", s)
	}
	again, _ := openLog(t, pebble.Options{Dir: folder}, eventlog.Options{})
	holds(t, again, acked)
	put(t, again, request())
	closeLog(t, again)
	closeLog(t, log)
}
