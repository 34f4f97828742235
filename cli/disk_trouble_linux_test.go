//go:build trouble

package cli_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestDiskFullRetention: the advice of the error can be followed. With a lower RETAIN_BYTES it starts on the full disk, drops
// what is over and takes events again.
func TestDiskFullRetention(t *testing.T) {
	for _, mb := range volumes() {
		t.Run(mb+" MB", func(t *testing.T) {
			dir := volume(t, mb)
			n, _ := strconv.Atoi(mb)
			s := start(t, dir, diskEnv(fmt.Sprintf("RETAIN_BYTES=%dMiB", 2*n))...) // some 20 segments fit
			s.fill(t)
			s.stop(t, syscall.SIGKILL)
			fillUp(t, dir, 0)
			s = start(t, dir, diskEnv(fmt.Sprintf("RETAIN_BYTES=%dMiB", n/4))...)
			t.Logf("healed after %v, %d MiB are free", s.heals(t), freeBytes(t, dir)>>20)
		})
	}
}

// TestDiskFullDeletes: room can be made through the gateway. Where documents or a database are deleted on a full disk, events are
// taken again, though nothing else is written that would have the log compact what is gone.
func TestDiskFullDeletes(t *testing.T) {
	for _, mb := range volumes() {
		n, _ := strconv.Atoi(mb)
		t.Run(mb+" MB/documents", func(t *testing.T) {
			s := start(t, volume(t, mb), diskEnv("RETAIN_BYTES=64GiB", "MAX_COLLECTION_BYTES=8GiB")...)
			ids := 0
			for bytes := 0; bytes < n<<20/3; bytes += 8 * 50_000 {
				docs := make([]string, 8)
				for i := range docs {
					docs[i] = fmt.Sprintf(`{"_id":"d%d","pad":%q}`, ids, noise(50_000))
					ids++
				}
				code, text := s.call(t, "POST", "/rest/c", "["+strings.Join(docs, ",")+"]", testKey)
				if code == http.StatusServiceUnavailable && bytes > n<<20/6 { // compactions have not come after it: full already
					ids -= len(docs)
					break
				}
				if code >= 300 {
					t.Fatalf("after %d bytes: %d %.300s", bytes, code, text)
				}
			}
			s.fill(t)
			for i := range ids {
				if code, text := s.call(t, "DELETE", fmt.Sprintf("/rest/c/d%d", i), "", testKey); code >= 300 {
					t.Fatalf("%d of %d deleted: %d %s", i, ids, code, text)
				}
			}
			t.Logf("healed after %v", s.heals(t))
		})
		t.Run(mb+" MB/database", func(t *testing.T) {
			s := start(t, volume(t, mb), diskEnv("RETAIN_BYTES=64GiB", "MAX_DATABASE_BYTES=8GiB")...)
			s.prepare(t, 1)
			for bytes := 0; bytes < n<<20/3; bytes += 50_000 {
				if code, text := s.call(t, "POST", "/events", fmt.Sprintf(`{"data":{"pad":%q},"meta":{"db":"d0","ns":"a","stream":"s","type":"t"}}`, noise(50_000)), adminTestKey); code >= 300 {
					t.Fatalf("%d %.300s", code, text)
				}
			}
			s.fill(t)
			if code, text := s.call(t, "DELETE", "/db/d0", "", adminTestKey); code >= 300 {
				t.Fatalf("%d %s", code, text)
			}
			t.Logf("healed after %v", s.heals(t))
		})
	}
}
