package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
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

// memoryGroup is a control group with a limit of memory.
type memoryGroup struct{ dir, limit, peak string }

// newMemoryGroup makes a control group of either version, or skips the test where it may not.
func newMemoryGroup(t *testing.T, limit int64) *memoryGroup {
	t.Helper()
	name := fmt.Sprintf("sluice-test-%d-%d", os.Getpid(), limit>>20)
	g := &memoryGroup{dir: filepath.Join("/sys/fs/cgroup/memory", name), limit: "memory.limit_in_bytes", peak: "memory.max_usage_in_bytes"}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		g = &memoryGroup{dir: filepath.Join("/sys/fs/cgroup", name), limit: "memory.max", peak: "memory.peak"}
		_ = os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+memory"), 0o644) // it may be on; else there is no limit to set
	}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Skipf("no control group can be made here (it takes root and a writable /sys/fs/cgroup): %v", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(g.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("removing the control group: %v", err)
		}
	})
	if err := os.WriteFile(filepath.Join(g.dir, g.limit), []byte(strconv.FormatInt(limit, 10)), 0o644); err != nil {
		t.Skipf("the control group takes no limit of memory: %v", err)
	}
	return g
}

// used is the most memory that the group has ever used, in MiB.
func (g *memoryGroup) used(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, g.peak))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n >> 20
}

// start runs the gateway within the group.
func (g *memoryGroup) start(t *testing.T, env ...string) *server {
	t.Helper()
	dir := t.TempDir()
	inside := filepath.Join(dir, "inside")
	script := fmt.Sprintf("#!/bin/sh\nulimit -n $(ulimit -Hn)\necho $$ > %s/cgroup.procs || exit 1\nexec %s \"$@\"\n", g.dir, binary)
	if err := os.WriteFile(inside, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return startCommand(t, exec.Command(inside, "serve"), dir, append(env, strings.Replace(documentKeys, `"sub":["*:*"]`, `"sub":["*"]`, 1), "ROOM_CREATE=open")...)
}

// ended fails the test where the gateway has ended, as one does that the kernel ends for want of memory.
func (s *server) ended(t *testing.T) {
	t.Helper()
	select {
	case err := <-s.done:
		s.done <- err
		t.Fatalf("the gateway has ended: %v\n%s", err, s.log)
	default:
	}
}

// bench makes load and returns what the report says.
func (s *server) bench(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `ulimit -n $(ulimit -Hn); exec "$0" "$@"`, binary, "bench", "--url", s.url}, args...)...)
	cmd.Env = []string{"SLUICE_KEY=" + testKey, "PATH=" + os.Getenv("PATH")}
	return cmd.CombinedOutput()
}

// hold opens idle streams that stay until the test ends.
func (s *server) hold(t *testing.T, streams int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	var report []byte
	go func() {
		defer close(over)
		report, _ = s.bench(ctx, "-n", strconv.Itoa(streams), "-e", "0", "--hold", "1h") // killed at the end
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	for end := time.Now().Add(5 * time.Minute); s.connections(t) < streams; time.Sleep(100 * time.Millisecond) {
		s.ended(t)
		select {
		case <-over:
			t.Fatalf("the streams did not stay: %s", report)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d streams", s.connections(t), streams)
		}
	}
}

// connections is how many streams there are.
func (s *server) connections(t *testing.T) int {
	t.Helper()
	for line := range strings.SplitSeq(s.fetch(t, "/metrics"), "\n") {
		if n, ok := strings.CutPrefix(line, "sluice_connections "); ok {
			count, err := strconv.ParseFloat(n, 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(count)
		}
	}
	t.Fatal("the metrics have no sluice_connections")
	return 0
}

// fetch is the answer to a request of the gateway, which must still be there.
func (s *server) fetch(t *testing.T, path string) string {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		code, text := s.call(t, http.MethodGet, path, "", testKey)
		switch {
		case code == http.StatusOK:
			return text
		case code == http.StatusServiceUnavailable && strings.Contains(text, `"code":"busy"`) && time.Now().Before(end): // the memory of the answer before is not given back yet
		default:
			s.ended(t)
			t.Fatalf("%d %.300s", code, text)
		}
	}
}

// longMemory asks for the whole load, as scripts/trouble-memory.sh does.
var longMemory = os.Getenv("TROUBLE_MEMORY") == "long"

// In 256 MiB the gateway holds a crowd of idle streams, and a storm of clients that come back for what they missed.
func TestCrowdInSmallMemory(t *testing.T) {
	idle, back := 2_000, 300
	if longMemory {
		idle, back = 15_000, 1_000
	}
	g := newMemoryGroup(t, 256<<20)
	s := g.start(t)
	s.hold(t, idle)
	t.Logf("%d idle streams: %d MiB at most", idle, g.used(t))
	for range 3 {
		if report, err := s.bench(context.Background(), "-n", strconv.Itoa(back), "-e", "0", "--resume", "100"); err != nil {
			s.ended(t)
			t.Fatalf("the storm: %v\n%s", err, report)
		}
		s.ended(t)
	}
	if n := s.connections(t); n < idle {
		t.Errorf("%d of %d idle streams are left", n, idle)
	}
	if status, text, err := s.post(`{"event":"a"}`); err != nil || status != http.StatusOK {
		t.Errorf("a publish: %d %s %v", status, text, err)
	}
	t.Logf("with %d that came back for 100 events each: %d MiB at most", back, g.used(t))
}

// In 64 MiB the gateway starts and serves all that it has.
func TestServesInLittleMemory(t *testing.T) {
	publishes := 2_000
	if longMemory {
		publishes = 200_000
	}
	g := newMemoryGroup(t, 64<<20)
	s := g.start(t)
	s.hold(t, 500)
	if report, err := s.bench(context.Background(), "-n", "20", "-p", "8", "-e", strconv.Itoa(publishes), "--batch", "10"); err != nil {
		s.ended(t)
		t.Fatalf("publishing: %v\n%s", err, report)
	}
	for i := range 200 {
		document := fmt.Sprintf(`{"_id":"%d","text":%q}`, i, strings.Repeat("x", 10_000))
		if _, err := s.ask(t, http.MethodPost, "/rest/c", document); err != nil {
			s.ended(t)
			t.Fatal(err)
		}
	}
	for range 10 {
		if text := s.fetch(t, `/rest/c?h={"$max":80}`); strings.Count(text, `"_id"`) != 80 {
			t.Fatalf("a list of documents: %.200s", text)
		}
	}
	answer, err := http.Post(s.url+"/new", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ Room string }
	if err := json.NewDecoder(answer.Body).Decode(&made); err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	for i := range 100 {
		if _, err := s.send(made.Room, fmt.Sprintf("k%d", i), strings.Repeat("x", 1000), `{"type":"replace"}`); err != nil {
			s.ended(t)
			t.Fatal(err)
		}
	}
	s.ended(t)
	t.Logf("%d MiB at most", g.used(t))
}

// In 64 MiB, clients that send half a body each, and clients that read many large events of the past, get no more memory
// than there is.
func TestHoldersInLittleMemory(t *testing.T) {
	g := newMemoryGroup(t, 64<<20)
	s := g.start(t)
	if !strings.Contains(s.log.String(), `found a limit of memory" limit=64MiB from="control group"`) || !strings.Contains(s.log.String(), "MAX_CLIENT_MEMORY=16MiB") {
		t.Errorf("the limit is not in the log:\n%s", s.log)
	}
	large := fmt.Sprintf(`{"event":"large","data":%q}`, strings.Repeat("x", 60_000))
	for range 300 {
		if status, text, err := s.post(large); err != nil || status != http.StatusOK {
			s.ended(t)
			t.Fatalf("a publish: %d %s %v", status, text, err)
		}
	}
	var group sync.WaitGroup
	for range 40 {
		group.Go(func() {
			r, err := http.NewRequest(http.MethodGet, s.url+"/realtime?from=-300&until=caught-up", nil)
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("X-Apikey", testKey)
			answer, err := streams.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			if n, err := io.Copy(io.Discard, answer.Body); err != nil || n < 300*60_000 {
				t.Errorf("%d bytes of the past, %v", n, err)
			}
		})
	}
	group.Wait()
	s.ended(t)
	refused := 0
	half := strings.Repeat("x", 1<<20-1000)
	for range 100 {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			s.ended(t)
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		head := fmt.Sprintf("POST /realtime HTTP/1.1\r\nHost: x\r\nX-Apikey: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", testKey, 1<<20)
		if _, err := io.WriteString(c, head+half); err != nil {
			refused++ // answered before all of it was sent
		}
	}
	if status, text, err := s.post(`{"event":"a"}`); err != nil || status != http.StatusOK && status != http.StatusTooManyRequests {
		s.ended(t)
		t.Errorf("a publish: %d %s %v", status, text, err)
	}
	s.ended(t)
	t.Logf("%d MiB at most; %d of 100 half bodies were refused at once", g.used(t), refused)
}
