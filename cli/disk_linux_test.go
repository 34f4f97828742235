package cli_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const adminTestKey = "fedcba9876543210-admin"

// call sends a request as the administrator, or with a key of somebody else's.
func (s *server) call(t *testing.T, method, path, body, key string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if path == "/events" || strings.HasPrefix(path, "/db/") || strings.HasPrefix(path, "/accounts/") {
		r.SetBasicAuth("root", key)
	} else {
		r.Header.Set("X-Apikey", key)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if code := answer.StatusCode; code == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") == "" {
		t.Errorf("%s %s: no Retry-After", method, path)
	}
	return answer.StatusCode, string(text)
}

// processor is how much of a core the process takes over a time.
func (s *server) processor(t *testing.T, over time.Duration) float64 {
	t.Helper()
	ticks := func() (sum float64) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), ") ")
		for _, f := range strings.Fields(after)[11:13] {
			n, err := strconv.ParseFloat(f, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
		return sum
	}
	before := ticks()
	<-time.After(over)
	return (ticks() - before) / 100 / over.Seconds()
}

// heals waits until events are taken again.
func (s *server) heals(t *testing.T) time.Duration {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		code, text, err := s.post(`{"event":"healed"}`)
		if err == nil && code == http.StatusOK {
			return time.Since(began)
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("it does not heal: %d %s %v", code, text, err)
		}
	}
}

func diskEnv(more ...string) []string {
	return append([]string{"ROOM_CREATE=open", strings.TrimSuffix(keysSetting, "}]") + `,"rest":["*"]}]`, "DATA_DIR=data", "ADMIN_KEY=" + adminTestKey}, more...)
}

// withdrawals are what a full disk still takes. Each goes once with a number.
func (s *server) withdrawals(t *testing.T, n int) {
	t.Helper()
	for _, one := range [][3]string{
		{"POST", "/admin/revocations", fmt.Sprintf(`{"jti":"stolen-%d"}`, n)},
		{"POST", "/admin/revocations", fmt.Sprintf(`{"subject":"thief-%d"}`, n)},
		{"POST", "/auth/login", `{"email":"ann@example.org","password":"s3cret-s3cret"}`},
		{"PATCH", fmt.Sprintf("/admin/users/u%d@example.org", n), `{"active":false}`},
		{"DELETE", fmt.Sprintf("/admin/users/u%d@example.org", n), ""},
		{"PATCH", "/admin/keys/" + s.keys[n], `{"pub":[]}`},
		{"DELETE", "/admin/keys/" + s.keys[n], ""},
		{"DELETE", fmt.Sprintf("/rest/c/d%d", n), ""},
		{"DELETE", fmt.Sprintf("/db/d%d/ns/a/streams/s", n), ""},
		{"DELETE", fmt.Sprintf("/db/d%d", n), ""},
		{"POST", fmt.Sprintf("/accounts/a%d/deactivate", n), ""},
		{"DELETE", fmt.Sprintf("/accounts/a%d", n), ""},
	} {
		key := adminTestKey
		if strings.HasPrefix(one[1], "/rest/") {
			key = testKey
		}
		if code, text := s.call(t, one[0], one[1], one[2], key); code >= 300 {
			t.Errorf("%s %s: %d %s", one[0], one[1], code, text)
		}
	}
}

// prepare makes what withdrawals takes away.
func (s *server) prepare(t *testing.T, sets int) {
	t.Helper()
	calls := [][3]string{{"POST", "/admin/users", `{"email":"ann@example.org","password":"s3cret-s3cret","sub":[],"pub":[],"rest":[]}`}}
	for n := range sets {
		calls = append(calls, [][3]string{
			{"POST", "/admin/users", fmt.Sprintf(`{"email":"u%d@example.org","password":"s3cret-s3cret","sub":[],"pub":[],"rest":[]}`, n)},
			{"POST", "/rest/c", fmt.Sprintf(`{"_id":"d%d","a":1}`, n)},
			{"PUT", fmt.Sprintf("/db/d%d", n), ""},
			{"PUT", fmt.Sprintf("/db/d%d/ns/a", n), ""},
			{"POST", "/events", fmt.Sprintf(`{"data":{},"meta":{"db":"d%d","ns":"a","stream":"s","type":"t"}}`, n)},
			{"POST", fmt.Sprintf("/accounts/a%d", n), `{"name":"a","password":"s3cret-s3cret"}`},
			{"POST", "/admin/keys", fmt.Sprintf(`{"name":"k%d","sub":["*"],"pub":["*"],"rest":[]}`, n)},
		}...)
	}
	for _, one := range calls {
		key := adminTestKey
		if strings.HasPrefix(one[1], "/rest/") {
			key = testKey
		}
		code, text := s.call(t, one[0], one[1], one[2], key)
		if code >= 300 {
			t.Fatalf("%s %s: %d %s", one[0], one[1], code, text)
		}
		if one[1] == "/admin/keys" {
			_, id, _ := strings.Cut(text, `"id":"`)
			id, _, _ = strings.Cut(id, `"`)
			s.keys = append(s.keys, id)
		}
	}
}

// refuses looks at what a full disk refuses, and that nobody learns where the folder is.
func (s *server) refuses(t *testing.T, dir string) {
	t.Helper()
	for _, one := range [][3]string{
		{"GET", "/readyz", ""}, {"POST", "/realtime", `{"event":"n"}`}, {"POST", "/rest/c", `{"a":1}`}, {"POST", "/admin/keys", `{"name":"more","sub":["*"],"pub":[],"rest":[]}`},
		{"PUT", "/db/more%x", ""}, {"POST", "/accounts/more%x", `{"name":"a","password":"s3cret-s3cret"}`}, {"POST", "/new", ""},
		{"POST", "/items/c", `{"a":1}`}, {"PATCH", "/items/c/d3", `{"a":2}`}, {"POST", "/events", `{"data":{},"meta":{"db":"d3","ns":"a","stream":"s","type":"t"}}`},
	} {
		key := adminTestKey
		if one[1] == "/realtime" || strings.HasPrefix(one[1], "/rest/") || strings.HasPrefix(one[1], "/items/") || one[1] == "/new" {
			key = testKey
		}
		var code int
		var text string
		for range 5 { // files that compactions remove give room in between
			s.fill(t)
			if code, text = s.call(t, one[0], strings.Replace(one[1], "%x", fmt.Sprintf("%x", random(4)), 1), one[2], key); code >= 300 {
				break
			}
		}
		if code != http.StatusServiceUnavailable || !strings.Contains(text, "the disk is full") || strings.Contains(text, dir) || strings.Contains(text, "data/") {
			t.Errorf("%s %s: %d %s", one[0], one[1], code, text)
		}
	}
	if text := s.page(t, "/realtime?from=-5&until=caught-up&apikey="+testKey); !strings.Contains(text, "event: end") {
		t.Errorf("a stream: %.300s", text)
	}
}

// TestDiskFull fills a volume as fast as it goes. The gateway refuses events at every door and says why, goes on reading,
// takes what withdraws trust or makes room, is at rest, leaves some of the volume free, and heals. When somebody else fills the
// rest, to the last byte, it still does, and it starts there.
func TestDiskFull(t *testing.T) {
	for _, mb := range volumes() {
		t.Run(mb+" MB", func(t *testing.T) {
			dir := volume(t, mb)
			log := &logText{}
			s := startLogging(t, dir, log, diskEnv("RETAIN_BYTES=64GiB")...)
			s.prepare(t, 4)
			stored := s.fill(t)
			if stored < 20 {
				t.Fatalf("it stored %d events", stored)
			}
			free := freeBytes(t, dir)
			t.Logf("%d events stored, %d MiB are left", stored, free>>20)
			if free < 1<<20 {
				t.Errorf("%d bytes are left", free)
			}
			s.refuses(t, dir)
			s.withdrawals(t, 0)
			// Clients go on trying. What compactions give back may be taken, but taking and refusing do not alternate.
			again := int64(0)
			for began := time.Now(); time.Since(began) < hammer(); time.Sleep(10 * time.Millisecond) {
				again += s.fill(t)
			}
			if n := strings.Count(log.String(), "publishes are accepted"); n > 3 {
				t.Errorf("it took events again %d times", n)
			}
			if share := s.processor(t, 3*time.Second); share > 0.1 {
				t.Errorf("it takes %.2f of a core at rest", share)
			}
			t.Logf("%d more were taken meanwhile", again)

			other := fillUp(t, dir, 0)
			for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(100 * time.Millisecond) {
				if _, err := os.Stat(filepath.Join(dir, "data", "log", "RESERVE")); err != nil {
					break
				}
			}
			s.refuses(t, dir)
			s.withdrawals(t, 1)
			if share := s.processor(t, 5*time.Second); share > 0.1 {
				t.Errorf("it takes %.2f of a core on a disk that others filled", share)
			}

			t.Logf("%d MiB are left when it is killed", freeBytes(t, dir)>>20)
			keys := s.keys
			s.stop(t, syscall.SIGKILL)
			before := log
			log = &logText{}
			s = startLogging(t, dir, log, diskEnv("RETAIN_BYTES=64GiB")...)
			s.keys = keys
			s.refuses(t, dir)
			s.withdrawals(t, 2)
			if share := s.processor(t, 3*time.Second); share > 0.1 {
				t.Errorf("after a start it takes %.2f of a core", share)
			}
			s.fill(t)
			if err := os.Remove(other); err != nil {
				t.Fatal(err)
			}
			// What it wrote itself is still there: somebody makes the volume larger.
			n, _ := strconv.Atoi(mb)
			if out, err := exec.Command("mount", "-o", fmt.Sprintf("remount,size=%dm", 2*n+200), dir).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			t.Logf("healed after %v", s.heals(t))
			if code, text := s.call(t, "GET", "/readyz", "", testKey); code != http.StatusOK {
				t.Errorf("readyz: %d %s", code, text)
			}
			if err := s.stop(t, syscall.SIGTERM); err != nil {
				t.Errorf("it ended with %v", err)
			}
			if t.Failed() {
				t.Logf("before:\n%s\nafter:\n%s", before, log)
			}
		})
	}
}

// TestDiskFullToTheLastByte: where nothing at all is free, not even by what was kept, a start says so and ends; it comes up as
// soon as there is room for that.
func TestDiskFullToTheLastByte(t *testing.T) {
	dir := volume(t, "160")
	s := start(t, dir, diskEnv()...)
	for range 20 {
		if code, text, err := s.post(noisy(1, 50_000)); code != http.StatusOK {
			t.Fatalf("%d %s %v", code, text, err)
		}
	}
	s.stop(t, syscall.SIGKILL)
	if err := os.Remove(filepath.Join(dir, "data", "log", "RESERVE")); err != nil {
		t.Fatal(err)
	}
	other := fillUp(t, dir, 0)
	cmd := exec.Command(binary, "serve")
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "ADDR=127.0.0.1:0"}, diskEnv()...)
	log := &logText{}
	cmd.Stderr = log
	ended := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	err := cmd.Run()
	ended.Stop()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(log.String(), "free space there, and start again") || strings.Contains(log.String(), "goroutine ") {
		t.Errorf("it ended with %v:\n%s", err, log)
	}
	if err := os.Truncate(other, sizeOf(t, other)-8<<20); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir, diskEnv()...)
	if code, text := s.call(t, "POST", "/admin/revocations", `{"jti":"stolen"}`, adminTestKey); code >= 300 {
		t.Errorf("%d %s", code, text)
	}
	if page := s.page(t, "/realtime?from=earliest&until=caught-up&apikey="+testKey); strings.Count(page, "event: n\n") != 20 {
		t.Errorf("%d events are there", strings.Count(page, "event: n\n"))
	}
}

func sizeOf(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
