package handlers_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"sluice/auth"
	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog/pebble"
)

// slowDisk is a disk whose writes of the write-ahead log, and fsyncs of it, wait while it is held.
type slowDisk struct {
	mu     sync.Mutex
	free   chan struct{} // closed: nobody waits
	waits  chan struct{} // receives when somebody waits
	wanted func(errorfs.Op) bool
}

func newSlowDisk(kinds ...errorfs.OpKind) *slowDisk {
	d := &slowDisk{free: make(chan struct{}), waits: make(chan struct{}, 1)}
	close(d.free)
	d.wanted = func(op errorfs.Op) bool {
		for _, k := range kinds {
			if op.Kind == k && strings.HasSuffix(op.Path, ".log") {
				return true
			}
		}
		return false
	}
	return d
}

// hold makes the disk stand still until the func that it returns is called.
func (d *slowDisk) hold() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	free := make(chan struct{})
	d.free = free
	return sync.OnceFunc(func() { close(free) })
}

func (d *slowDisk) MaybeError(op errorfs.Op) error {
	if !d.wanted(op) {
		return nil
	}
	d.mu.Lock()
	free := d.free
	d.mu.Unlock()
	select {
	case <-free:
		return nil
	default:
	}
	select {
	case d.waits <- struct{}{}:
	default:
	}
	<-free
	return nil
}

func (d *slowDisk) String() string { return "a slow disk" }

// A commit that takes long delays who publishes and changes something, and nobody else.
func TestSlowDiskDelaysPublishersOnly(t *testing.T) {
	t.Parallel()
	t.Run("writes", func(t *testing.T) {
		t.Parallel()
		slowDiskDelaysPublishersOnly(t, pebble.Process, newSlowDisk(errorfs.OpFileWrite))
	})
	t.Run("fsyncs", func(t *testing.T) {
		t.Parallel()
		slowDiskDelaysPublishersOnly(t, pebble.Disk, newSlowDisk(errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo))
	})
}

func slowDiskDelaysPublishersOnly(t *testing.T, durability pebble.Durability, disk *slowDisk) {
	engine, err := pebble.Open(pebble.Options{Dir: "log", FS: errorfs.Wrap(vfs.NewMem(), disk), Durability: durability})
	if err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, func(s *setup) {
		s.Engine, s.PingInterval, s.RingBytes = engine, 100*time.Millisecond, 4<<10
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	name, all, rest := "slow", []string{"*", "*:*", "$db/d"}, []string{"*:*"}
	_, key, err := g.Auth.CreateKey(ctx, auth.KeyChange{Name: &name, Sub: &all, Pub: &all, Rest: &rest})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Databases.Create(ctx, "d", ""); err != nil {
		t.Fatal(err)
	}
	// ask answers with the status and what text begins with.
	ask := func(ctx context.Context, method, path, body string, most int64) (int, string, error) {
		r, err := http.NewRequestWithContext(ctx, method, g.URL+path, strings.NewReader(body))
		if err != nil {
			return 0, "", err
		}
		r.Header.Set("x-apikey", key)
		if strings.HasPrefix(path, "/admin") || path == "/metrics" {
			r.Header.Set("x-apikey", gatewaytest.AdminKey)
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := g.Client().Do(r)
		if err != nil {
			return 0, "", err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(io.LimitReader(answer.Body, most))
		return answer.StatusCode, string(text), err
	}
	must := func(method, path, body string) string {
		t.Helper()
		status, text, err := ask(ctx, method, path, body, 1<<20)
		if err != nil || status >= 300 {
			t.Fatalf("%s %s: %d %s %v", method, path, status, text, err)
		}
		return text
	}
	for i := range 100 {
		must(http.MethodPost, "/realtime", fmt.Sprintf(`{"event":"a","data":"%d-%s"}`, i, strings.Repeat("x", 1000)))
	}
	must(http.MethodPost, "/rest/c", `{"_id":"1","n":1}`)
	var made struct{ Room string }
	if err := json.Unmarshal([]byte(must(http.MethodPost, "/new", "")), &made); err != nil {
		t.Fatal(err)
	}
	room := "/room/" + made.Room
	push := func(n int) string {
		return fmt.Sprintf(`{"type":"push","key":"k","value":%d,"action":{"type":"replace"}}`, n)
	}
	must(http.MethodPost, room+"/send", push(1))
	_, first, _ := strings.Cut(must(http.MethodGet, "/realtime?from=earliest&limit=1&until=caught-up", ""), "id: ")
	first, _, _ = strings.Cut(first, "\n")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+"/realtime?channels=idle", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-apikey", key)
	idle, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Body.Close()

	release := disk.hold()
	defer release()
	var writers sync.WaitGroup
	answered, written := make(chan string, 20), make(chan struct{}, 20)
	writing := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { written <- struct{}{} }})
	for path, body := range map[string]string{
		"/realtime": `{"event":"late"}`, "/rest/c": `{"_id":"2","n":2}`, room + "/send": push(2), "/new": "", "/admin/keys": `{"name":"late"}`,
	} {
		writers.Go(func() {
			status, text, err := ask(writing, http.MethodPost, path, body, 1<<20)
			answered <- path
			if err != nil || status >= 300 {
				t.Errorf("%s after the disk is back: %d %s %v", path, status, text, err)
			}
		})
	}
	writers.Go(func() {
		status, text, err := ask(writing, http.MethodPut, "/rest/c/1", `{"n":3}`, 1<<20)
		answered <- "a change of a document"
		if err != nil || status >= 300 {
			t.Errorf("a change of a document after the disk is back: %d %s %v", status, text, err)
		}
	})
	<-disk.waits
	for range 6 {
		<-written // the others have come too, and wait for the first or for its lock
	}
	for _, path := range []string{
		"/healthz", "/readyz", "/metrics", "/admin/stats", "/admin/keys", "/admin/connections", "/rest/c", "/rest/c/1", `/rest/c?q={"n":1}`, room, room + "/presence",
		"/realtime?from=-5&until=caught-up", "/realtime?from=earliest&limit=10", "/realtime?channels=a&lastEventId=" + first, "/realtime", "/db/d/streams", "/db/d/events",
	} {
		soon, stop := context.WithTimeout(ctx, 5*time.Second)
		status, text, err := ask(soon, http.MethodGet, path, "", 100)
		stop()
		if err != nil || status >= 300 {
			t.Errorf("GET %s while the disk stands still: %d %s %v", path, status, text, err)
		}
	}
	pings := 0
	for lines := bufio.NewScanner(idle.Body); pings < 30 && lines.Scan(); {
		if strings.Contains(lines.Text(), "ping") {
			pings++
		}
	}
	if pings < 30 {
		t.Errorf("an idle stream gets %d pings", pings)
	}
	select {
	case who := <-answered:
		t.Errorf("%s was answered while the disk stood still", who)
	default:
	}
	release()
	writers.Wait()
}
