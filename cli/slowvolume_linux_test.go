//go:build trouble

package cli_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// must runs a command of the system.
func must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// device mounts an ext4 of its own on a block device of its own, which can be throttled and frozen.
func device(t *testing.T) (dir, number string) {
	t.Helper()
	image := filepath.Join(volume(t, "700"), "image")
	must(t, "truncate", "-s", "600M", image)
	loop := must(t, "losetup", "-f", "--show", image)
	t.Cleanup(func() { must(t, "losetup", "-d", loop) })
	must(t, "mkfs.ext4", "-q", loop)
	dir = t.TempDir()
	must(t, "mount", loop, dir)
	t.Cleanup(func() { must(t, "umount", dir) })
	numbers, err := os.ReadFile("/sys/block/" + filepath.Base(loop) + "/dev")
	if err != nil {
		t.Fatal(err)
	}
	return dir, strings.TrimSpace(string(numbers))
}

// TestDiskFrozen: while the file system takes no write at all, publishers wait, and nobody else. When it goes on, each of them
// has its answer, and each event is there once.
func TestDiskFrozen(t *testing.T) {
	for _, durability := range []string{"process", "disk"} {
		t.Run(durability, func(t *testing.T) {
			dir, _ := device(t)
			s := start(t, dir, diskEnv("DURABILITY="+durability, "PING_INTERVAL=1s")...)
			defer s.stop(t, os.Kill)
			s.prepare(t, 1)
			s.standing(t, func() {
				must(t, "fsfreeze", "-f", dir)
				t.Cleanup(func() { _ = exec.Command("fsfreeze", "-u", dir).Run() })
			}, func() { must(t, "fsfreeze", "-u", dir) })
		})
	}
}

// TestDiskThrottled: likewise while a control group lets the process write some bytes a second.
func TestDiskThrottled(t *testing.T) {
	dir, number := device(t)
	s := start(t, dir, diskEnv("DURABILITY=disk", "PING_INTERVAL=1s")...)
	defer s.stop(t, os.Kill)
	s.prepare(t, 1)
	group, err := os.MkdirTemp("/sys/fs/cgroup/blkio", "sluice")
	if err != nil {
		t.Fatalf("it takes root and control groups of version 1: %v", err)
	}
	defer os.Remove(group)
	set := func(file, value string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(group, file), []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	set("cgroup.procs", strconv.Itoa(s.cmd.Process.Pid))
	s.standing(t, func() { set("blkio.throttle.write_bps_device", number+" 20000") },
		func() { set("blkio.throttle.write_bps_device", number+" 0") })
	if err := os.WriteFile("/sys/fs/cgroup/blkio/cgroup.procs", []byte(strconv.Itoa(s.cmd.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
}

// standing makes the disk slow while 16 publishers, streams, replays and lists are at work.
func (s *server) standing(t *testing.T, slow, fast func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if code, text, err := s.post(`{"event":"before"}`); code != http.StatusOK {
		t.Fatalf("%d %s %v", code, text, err)
	}
	idle := s.get(t, ctx, "?channels=*")
	defer idle.Body.Close()
	pings := make(chan string, 1000)
	go func() { // ends with the stream
		defer close(pings)
		for lines := bufio.NewScanner(idle.Body); lines.Scan(); {
			if text := lines.Text(); strings.Contains(text, "ping") {
				select {
				case pings <- text:
				default:
				}
			}
		}
	}()
	slow()
	answered := make(chan string, 16)
	var publishers sync.WaitGroup
	for i := range 16 {
		body := fmt.Sprintf(`{"event":"slow-%d","data":%q}`, i, noise(60_000))
		publishers.Go(func() {
			code, text, err := s.post(body)
			answered <- fmt.Sprint(code, " ", err)
			if code != http.StatusOK {
				t.Errorf("publisher %d: %d %s %v", i, code, text, err)
			}
		})
	}
	for len(pings) > 0 {
		<-pings
	}
	for range 4 { // pings go on, and everybody who only reads is served between them
		select {
		case _, open := <-pings:
			if !open {
				t.Fatal("the idle stream has ended")
			}
		case <-ctx.Done():
			t.Fatal("no pings")
		}
		for _, path := range []string{"/realtime?from=earliest&until=caught-up&apikey=" + testKey, "/healthz", "/rest/c?apikey=" + testKey} {
			if text := s.page(t, path); text == "" {
				t.Errorf("%s: nothing", path)
			}
		}
		new := s.get(t, ctx, "?channels=*")
		new.Body.Close()
	}
	if len(answered) == cap(answered) {
		t.Fatal("the disk was not slow: all publishers have their answer")
	}
	t.Logf("%d of %d publishers had their answer while the disk was slow", len(answered), cap(answered))
	fast()
	publishers.Wait()
	text := s.page(t, "/realtime?from=earliest&until=caught-up&apikey="+testKey)
	for i := range 16 {
		if n := strings.Count(text, fmt.Sprintf("event: slow-%d\n", i)); n != 1 {
			t.Errorf("event slow-%d is there %d times", i, n)
		}
	}
}
