package cli_test

import (
	"encoding/base64"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// volumes are the sizes of the disks that tests fill, in MB: a small one in CI, others in `make trouble`.
func volumes() []string {
	if v := os.Getenv("DISK_VOLUMES"); v != "" {
		return strings.Split(v, ",")
	}
	return []string{"160"}
}

// hammer is how long clients go on trying on a full disk.
func hammer() time.Duration {
	if os.Getenv("DISK_VOLUMES") != "" {
		return 30 * time.Second
	}
	return 3 * time.Second
}

// volume mounts a disk of its own.
func volume(t *testing.T, mb string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+mb+"m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no volume can be mounted here, which takes root: %v: %s", err, out)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// freeBytes is how much of a volume is free.
func freeBytes(t *testing.T, dir string) uint64 {
	t.Helper()
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Bavail * uint64(stat.Bsize)
}

// fillUp takes all that is free of a volume but some bytes, with a file of somebody else's.
func fillUp(t *testing.T, dir string, but uint64) (file string) {
	t.Helper()
	f, err := os.CreateTemp(dir, "other")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		free := freeBytes(t, dir)
		if free <= but {
			break
		}
		err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(free-but))
		if err == nil {
			break
		}
		if err != syscall.ENOSPC { // the gateway has written meanwhile
			t.Fatal(err)
		}
	}
	for but == 0 { // the last byte too
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			break
		}
	}
	return f.Name()
}

// noisy is a batch of events that do not compress.
func noisy(events, bytes int) string {
	one := make([]string, events)
	for i := range one {
		one[i] = `{"event":"n","data":"` + noise(bytes) + `"}`
	}
	return "[" + strings.Join(one, ",") + "]"
}

// noise is text that does not compress.
func noise(bytes int) string { return base64.StdEncoding.EncodeToString(random(bytes * 3 / 4)) }

// fill publishes from several clients until each is refused, and returns how many events were stored. A refusal must say why.
func (s *server) fill(t *testing.T) (stored int64) {
	t.Helper()
	var n atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		body := noisy(4, 50_000)
		all.Go(func() {
			for {
				code, text, err := s.post(body)
				if err == nil && code == http.StatusOK {
					n.Add(1)
					continue
				}
				if err != nil || code != http.StatusServiceUnavailable || !strings.Contains(text, `"code":"disk_full"`) {
					t.Errorf("%d %s %v", code, text, err)
				}
				return
			}
		})
	}
	all.Wait()
	return n.Load()
}
