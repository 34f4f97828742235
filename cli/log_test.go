package cli_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// do sends a request and fails the test if the answer is an error.
func (s *server) do(t *testing.T, method, path, body string, headers ...string) string {
	t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, path, answer.Status, text, err)
	}
	return string(text)
}

// verifySettings open all doors.
var verifySettings = []string{
	`API_KEYS=[{"name":"test","key":"` + testKey + `","sub":["*"],"pub":["*"],"rest":["*:*"]}]`, "ADMIN_KEY=admin-0123456789abcdef",
	"PERSISTR_DEMO=true", "ROOM_CREATE=open", "COLLECTION_INDEXES=c:n,c:s", "RETAIN_BYTES=64KiB",
}

// fillAll stores data of all kinds.
func fillAll(t *testing.T, s *server) {
	t.Helper()
	key, admin := []string{"X-Apikey", testKey}, []string{"X-Apikey", "admin-0123456789abcdef"}
	demo := []string{"Authorization", "Basic ZGVtbzpkZW1v"}
	large := strings.Repeat("x", 2000)
	for i := range 100 { // more than RETAIN_BYTES
		s.do(t, "POST", "/realtime", fmt.Sprintf(`{"event":"e%d","collection":"c","stream":"s%d","data":%q}`, i%3, i%5, large), append(key, "Idempotency-Key", fmt.Sprint("k", i))...)
	}
	for i := range 20 {
		s.do(t, "POST", "/rest/c", fmt.Sprintf(`{"_id":"d%d","n":%d,"s":"%d"}`, i, i%3, i), key...)
	}
	s.do(t, "PATCH", "/rest/c/d1", `{"n":9}`, key...)
	s.do(t, "DELETE", "/rest/c/d2", "", key...)
	for i := range 20 {
		s.do(t, "POST", "/events", fmt.Sprintf(`{"data":{},"meta":{"id":"e%d","db":"demo","ns":"n%d","stream":"s","type":"t"}}`, i, i%2), demo...)
	}
	s.do(t, "POST", "/db/demo/clone?to=copy", "", demo...)
	s.do(t, "POST", "/db/demo/clone?to=gone", "", demo...)
	s.do(t, "DELETE", "/db/gone", "", demo...)
	s.do(t, "DELETE", "/db/copy/ns/n1/contents", "", demo...)
	room := regexp.MustCompile(`"room":"([^"]+)"`).FindStringSubmatch(s.do(t, "POST", "/new", ""))[1]
	for _, action := range []string{`{"type":"append"}`, `{"type":"append"}`, `{"type":"relay"}`, `{"type":"replace"}`, `{"type":"append"}`, `{"type":"compact","seq":3}`} {
		if _, err := s.send(room, "k", 1, action); err != nil {
			t.Fatal(err)
		}
	}
	s.do(t, "POST", "/admin/keys", `{"name":"made","sub":["*"]}`, admin...)
	s.do(t, "POST", "/admin/users", `{"email":"a@example.org","password":"a long password"}`, admin...)
}

// digestLine is what verify prints for a log without faults.
var digestLine = regexp.MustCompile(`^no faults: \d+ events, \d+ entries of rooms, \d+ rows\ndigest [0-9a-f]{64}\n$`)

// verify fails the test if the log of a gateway that has ended has faults.
func (s *server) verify(t *testing.T) {
	t.Helper()
	if out, errOut, code := run(t, "", nil, "log", "verify", filepath.Join(s.cmd.Dir, "data")); code != 0 || !digestLine.MatchString(out) {
		t.Errorf("the log has faults: %d\n%s%s", code, out, errOut)
	}
}

// TestLogVerify: a log with all kinds of data has no faults, also after a kill in mid-write. Each faulty row is a line.
func TestLogVerify(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir, verifySettings...)
	fillAll(t, s)
	data := filepath.Join(dir, "data")
	if _, errOut, code := run(t, "", nil, "log", "verify", data); code != 2 || !strings.Contains(errOut, "in use by another process") || !strings.Contains(errOut, "verify a backup") {
		t.Errorf("a gateway runs: %d %s", code, errOut)
	}
	backup, errOut, code := run(t, "", []string{"ADMIN_KEY=admin-0123456789abcdef"}, "backup", "--url", s.url)
	if code != 0 {
		t.Fatal(errOut)
	}
	backup = strings.TrimSpace(backup)
	var group sync.WaitGroup
	written := make(chan struct{}, 1000)
	for range 8 {
		group.Go(func() {
			for {
				if _, _, err := s.post(`{"event":"e","stream":"s","data":1}`); err != nil {
					return // killed
				}
				select {
				case written <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 200 {
		<-written
	}
	s.stop(t, syscall.SIGKILL)
	group.Wait()
	digests := map[string]string{}
	for _, folder := range []string{data, filepath.Join(data, "log"), backup, filepath.Join(backup, "log")} {
		out, errOut, code := run(t, "", nil, "log", "verify", folder)
		if code != 0 || !digestLine.MatchString(out) {
			t.Fatalf("%s: %d\n%s%s", folder, code, out, errOut)
		}
		digests[folder] = out
	}
	if digests[data] != digests[filepath.Join(data, "log")] || digests[backup] != digests[filepath.Join(backup, "log")] || digests[data] == digests[backup] {
		t.Errorf("%v", digests)
	}
	s = start(t, dir, verifySettings...)
	s.stop(t, syscall.SIGTERM)
	s.verify(t)
	if _, errOut, code := run(t, "", nil, "log", "verify", dir); code != 2 || !strings.Contains(errOut, "the folder has no log") {
		t.Errorf("another folder: %d %s", code, errOut)
	}
	addRows(t, filepath.Join(data, "log"), 3)
	if out, errOut, code := run(t, "", nil, "log", "verify", data); code != 1 || strings.Count(out, "\n") != 3 || !strings.Contains(errOut, "faults: 3") {
		t.Errorf("three faults: %d\n%s%s", code, out, errOut)
	}
	addRows(t, filepath.Join(data, "log"), 300)
	if out, errOut, code := run(t, "", nil, "log", "verify", data); code != 1 || strings.Count(out, "\n") != 100 || !strings.Contains(errOut, "has 300 faults") {
		t.Errorf("300 faults: %d\n%s%s", code, out, errOut)
	}
}

// addRows writes rows of no known kind into a log.
func addRows(t *testing.T, dir string, n int) {
	t.Helper()
	db, err := pebble.Open(dir, &pebble.Options{FormatMajorVersion: pebble.FormatColumnarBlocks, Logger: pebbleLogger{}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		err = errors.Join(err, db.Set(fmt.Appendf(nil, "\x01kbroken/%d", i), nil, pebble.Sync))
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// pebbleLogger drops what Pebble logs.
type pebbleLogger struct{}

func (pebbleLogger) Infof(string, ...any) {}

func (pebbleLogger) Errorf(string, ...any) {}

func (pebbleLogger) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format, args...)
	os.Exit(1)
}
