package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// logged is a folder with n acknowledged events, whose gateway was killed.
func logged(t *testing.T, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s := start(t, dir, keysSetting, "DATA_DIR=data")
	for i := range n {
		if code, text, err := s.post(fmt.Sprintf(`{"event":"n","data":{"n":%d,"pad":%q}}`, i, strings.Repeat("x", 1000))); code != http.StatusOK {
			t.Fatalf("%d %s %v", code, text, err)
		}
	}
	s.stop(t, syscall.SIGKILL)
	return dir
}

// newestOf is the newest file of a kind in a log's folder.
func newestOf(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "data", "log", pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return slices.Max(found)
}

// overwrite puts bytes in a file.
func overwrite(t *testing.T, file string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// TestDamagedLog: what lies behind a damaged place of the newest write-ahead log is lost, but not in silence. What a kill
// leaves at its end is no damage.
func TestDamagedLog(t *testing.T) {
	t.Parallel()
	const events = 550
	middle := int64(events * 1100 / 2)
	for name, tt := range map[string]struct {
		damage   func(t *testing.T, file string)
		reported bool
	}{
		"random bytes": {func(t *testing.T, file string) { overwrite(t, file, middle, random(100)) }, true},
		"one bit": {func(t *testing.T, file string) {
			b, _ := os.ReadFile(file)
			overwrite(t, file, middle, []byte{b[middle] ^ 1})
		}, true},
		"a block of zeros": {func(t *testing.T, file string) { overwrite(t, file, middle, make([]byte, 64<<10)) }, true},
		"the first bytes":  {func(t *testing.T, file string) { overwrite(t, file, 0, random(50)) }, true},
		"nothing":          {func(*testing.T, string) {}, false},
		"a torn end":       {func(t *testing.T, file string) { _ = os.Truncate(file, middle+123) }, false},
		"zeros behind":     {func(t *testing.T, file string) { _ = os.Truncate(file, 4<<20) }, false},
		"garbage behind": {func(t *testing.T, file string) {
			i, _ := os.Stat(file)
			overwrite(t, file, i.Size()+50, random(100_000))
		}, false},
		"zeros in a torn end": {func(t *testing.T, file string) { _ = os.Truncate(file, middle); _ = os.Truncate(file, 2*middle) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := logged(t, events)
			tt.damage(t, newestOf(t, dir, "*.log"))
			s := start(t, dir, keysSetting, "DATA_DIR=data")
			page := s.page(t, "/realtime?from=earliest&until=caught-up&apikey="+testKey)
			metric := regexp.MustCompile(`\nsluice_log_damaged_total (\d+)`).FindStringSubmatch(s.page(t, "/metrics"))
			s.stop(t, syscall.SIGTERM)
			line := regexp.MustCompile(`level=WARN msg="the newest write-ahead log was damaged.*`).FindString(s.log.String())
			if tt.reported != (line != "") || len(metric) != 2 || tt.reported != (metric[1] == "1") {
				t.Errorf("metric %v; it said %q", metric, line)
			}
			recovered := strings.Count(page, "event: n\n")
			if m := regexp.MustCompile(`recovered_to_id=(\d+) .*lost_commits=(\d+)`).FindStringSubmatch(line); tt.reported && len(m) == 3 {
				if recovered > 0 && !strings.Contains(page, m[1]) {
					t.Errorf("it was not recovered up to %s", m[1])
				}
				var lost int
				if _, err := fmt.Sscan(m[2], &lost); err != nil || recovered+lost < events-80 || recovered+lost > events+40 {
					t.Errorf("%d events are there and %d commits lost, of %d", recovered, lost, events)
				}
			} else if tt.reported {
				t.Errorf("%q lacks how far", line)
			}
		})
	}
}

// TestDamagedFolder: a folder that cannot be opened is named in one sentence with its cure, exit code 1, and left as it is.
func TestDamagedFolder(t *testing.T) {
	t.Parallel()
	dir := logged(t, 300)
	s := start(t, dir, keysSetting, "DATA_DIR=data") // what the log held is in a table now
	s.stop(t, syscall.SIGTERM)
	folder := filepath.Join(dir, "data", "log")
	remove := func(pattern string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(newestOf(t, dir, pattern)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tt := range map[string]struct {
		harm func(t *testing.T, dir string)
		cure string
	}{
		"no MANIFEST":         {remove("MANIFEST-*"), "restore a backup"},
		"no mark of MANIFEST": {remove("marker.manifest.*"), "restore a backup"},
		"a broken MANIFEST":   {func(t *testing.T, dir string) { overwrite(t, newestOf(t, dir, "MANIFEST-*"), 0, random(200)) }, "restore a backup"},
		"no table":            {remove("*.sst"), "restore a backup"},
		"a broken table": {func(t *testing.T, dir string) {
			file := newestOf(t, dir, "*.sst")
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, file, 0, random(int(info.Size())))
		}, "restore a backup"},
		"a short table": {func(t *testing.T, dir string) { _ = os.Truncate(newestOf(t, dir, "*.sst"), 100) }, "restore a backup"},
		"a newer format": {func(t *testing.T, dir string) {
			old := newestOf(t, dir, "marker.format-version.*")
			at := strings.LastIndexByte(old, '.')
			if err := os.Rename(old, old[:at]+".999"); err != nil {
				t.Fatal(err)
			}
		}, "a later version of Sluice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.CopyFS(filepath.Join(dir, "data", "log"), os.DirFS(folder)); err != nil {
				t.Fatal(err)
			}
			tt.harm(t, dir)
			before := listing(t, dir)
			cmd := exec.Command(binary, "serve")
			cmd.Dir = dir
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "ADDR=127.0.0.1:0", "DATA_DIR=data", keysSetting}
			var log bytes.Buffer
			cmd.Stdout, cmd.Stderr = io.Discard, &log
			ended := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
			err := cmd.Run()
			ended.Stop()
			if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(log.String(), tt.cure) {
				t.Errorf("it ended with %v:\n%s", err, log.String())
			}
			if strings.Contains(log.String(), "goroutine ") || strings.Contains(log.String(), ".go:") {
				t.Errorf("it revealed its internals:\n%s", log.String())
			}
			for _, file := range before {
				if _, err := os.Stat(file); err != nil {
					t.Errorf("it removed %s", file)
				}
			}
		})
	}
}

// listing is the tables of a folder.
func listing(t *testing.T, dir string) (files []string) {
	t.Helper()
	for _, pattern := range []string{"*.sst"} {
		found, err := filepath.Glob(filepath.Join(dir, "data", "log", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return files
}
