//go:build trouble

package cli_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// clockStep is how far the machine's clock is set ahead, and for at most maxClock.
const (
	clockStep = time.Hour
	maxClock  = 15 * time.Second
)

func mustClock(id int32) time.Duration {
	var at unix.Timespec
	if err := unix.ClockGettime(id, &at); err != nil {
		panic(err)
	}
	return time.Duration(at.Nano())
}

func setClock(to time.Duration) {
	at := unix.NsecToTimespec(int64(to))
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &at); err != nil {
		panic(fmt.Errorf("setting the clock, which takes root: %w", err))
	}
}

// init makes this process the clock's keeper where TestClockStep has asked for one. The keeper sets the clock ahead at once.
// It sets it back, by what has passed since the boot, when its standard input ends, as it does however the test ends, or
// after maxClock.
func init() {
	if os.Getenv("CLOCK_KEEPER") == "" {
		return
	}
	before := mustClock(unix.CLOCK_REALTIME) - mustClock(unix.CLOCK_BOOTTIME)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(io.Discard, os.Stdin) // its end is all that counts
	}()
	setClock(before + mustClock(unix.CLOCK_BOOTTIME) + clockStep)
	fmt.Println("set")
	select {
	case <-ended:
	case <-time.After(maxClock):
	}
	setClock(before + mustClock(unix.CLOCK_BOOTTIME))
	off := mustClock(unix.CLOCK_REALTIME) - mustClock(unix.CLOCK_BOOTTIME) - before
	fmt.Println("set back, off by", off)
	os.Exit(0)
}

// stepClock sets the machine's clock ahead; what it returns sets it back.
func stepClock(t *testing.T) (back func()) {
	t.Helper()
	keeper := exec.Command(os.Args[0])
	keeper.Env = append(os.Environ(), "CLOCK_KEEPER=1")
	keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ^C is not for it
	in, err := keeper.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := keeper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	until := func(word string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), word) {
				t.Log(lines.Text())
				return
			}
		}
		t.Fatalf("the clock's keeper ended before it said %q: %v", word, keeper.Wait())
	}
	until("set")
	done := false
	back = func() {
		if done {
			return
		}
		done = true
		in.Close()
		until("set back")
		keeper.Wait() // it has said all
	}
	t.Cleanup(back)
	return back
}

// TestClockStep sets the clock of the machine, which all others on it see: an hour ahead, for a few seconds. A time
// namespace cannot do it: it has no clock of its own for CLOCK_REALTIME.
func TestClockStep(t *testing.T) {
	dir := t.TempDir()
	env := []string{keysSetting, "DATA_DIR=" + dir + "/data", "PING_INTERVAL=1s"}
	s := start(t, dir, env...)
	publish := func(key string) uint64 {
		t.Helper()
		status, text, err := s.post(`{"event":"goal","data":1}`, "Idempotency-Key", key)
		var answer struct{ ID string }
		if err != nil || status != 200 || json.Unmarshal([]byte(text), &answer) != nil {
			t.Fatalf("%d %s %v", status, text, err)
		}
		id, err := strconv.ParseUint(answer.ID, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return id
	}
	stamps := map[uint64]time.Time{} // what the clock showed
	put := func(key string) uint64 {
		t.Helper()
		id := publish(key)
		stamps[id] = time.Now().Round(0)
		return id
	}
	began := mustClock(unix.CLOCK_BOOTTIME)
	passed := func() uint64 { return uint64((mustClock(unix.CLOCK_BOOTTIME) - began).Microseconds()) + 1_000_000 }
	first := put("a")
	repeat := func(when string) {
		t.Helper()
		if id := publish("a"); id != first {
			t.Errorf("%s: a repeat was published again as %d", when, id)
		}
	}
	back := stepClock(t)
	repeat("an hour ahead")
	second := put("b")
	s.stop(t, syscall.SIGTERM)
	s = start(t, dir, env...)
	repeat("after a restart, an hour ahead")
	third := put("c")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	idle := bufio.NewScanner(s.get(t, ctx, "?channels=nothing").Body)
	ping := func(when string) {
		t.Helper()
		for pinged := false; !pinged; pinged = idle.Text() == "event: ping" {
			if !idle.Scan() {
				t.Fatalf("%s: no ping: %v", when, idle.Err())
			}
		}
	}
	ping("an hour ahead")
	back()
	ping("set back")
	ping("set back")
	repeat("set back")
	fourth := put("d")
	s.stop(t, syscall.SIGKILL)
	s = start(t, dir, env...)
	fifth := put("e")
	last := first
	for _, id := range []uint64{second, third, fourth, fifth} {
		if id <= last || id-first > passed() {
			t.Errorf("id %d follows %d; the first, %d, is %d µs ago", id, last, first, passed())
		}
		last = id
	}
	read := func(query string) (ids []uint64) {
		t.Helper()
		lines := bufio.NewScanner(s.get(t, ctx, query, "Accept", "application/x-ndjson").Body)
		for lines.Scan() {
			var e struct {
				ID string
				TS time.Time
			}
			if len(lines.Bytes()) == 0 {
				continue
			}
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Fatalf("%s: %v", lines.Text(), err)
			}
			id, _ := strconv.ParseUint(e.ID, 10, 64)
			if off := e.TS.Sub(stamps[id]); off.Abs() > time.Second {
				t.Errorf("%d has the time %s; the clock showed %s", id, e.TS, stamps[id])
			}
			ids = append(ids, id)
		}
		return ids
	}
	if ids := read("?from=earliest&until=caught-up"); len(ids) != 5 {
		t.Errorf("there are %d events", len(ids))
	}
	if ids := read("?until=caught-up&from=" + stamps[second].Add(-time.Second).UTC().Format(time.RFC3339Nano)); len(ids) != 4 || ids[0] != second {
		t.Errorf("from when the clock was ahead: %d of %d", ids, []uint64{first, second, third, fourth, fifth})
	}
}
