package cli_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nginx starts Debian's with its default proxy settings in front of an upstream, and gives its URL.
func nginx(t *testing.T, upstream string) string {
	t.Helper()
	dir := t.TempDir()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := probe.Addr().String()
	probe.Close()
	conf := fmt.Sprintf(`
daemon off; master_process off; pid %[1]s/pid; error_log stderr warn;
events {}
http {
  access_log off;
  map "$request_method $http_accept" $sluice_busy {
    default @unavailable;
    "~^GET .*text/event-stream" @busy;
  }
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server {
    listen %[2]s;
    location /realtime {
      proxy_pass %[3]s;
      error_page 502 503 504 = $sluice_busy;
    }
    location @busy { default_type text/event-stream; return 200 "retry: 5000\n\n"; }
    location @unavailable { return 503; }
  }
}`, dir, addr, upstream)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx"
	}
	cmd := exec.Command(path, "-p", dir, "-c", file)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; make deps installs nginx", err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return "http://" + addr
		}
		if time.Now().After(deadline) {
			t.Fatal("nginx did not come up")
		}
	}
}

// Behind nginx as Debian ships it, which speaks HTTP/1.0 to us and buffers unless told: frames come at
// once, and a restart behind it does not end an EventSource.
func TestNginx(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), keysSetting)
	front := &server{url: nginx(t, s.url)}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	answer := front.get(t, ctx, "")
	if answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%v", answer.Header)
	}
	stream := bufio.NewReader(answer.Body)
	until := func(text string) {
		t.Helper()
		for line := ""; !strings.Contains(line, text); {
			var err error
			if line, err = stream.ReadString('\n'); err != nil {
				t.Fatalf("waiting for %q: %v", text, err)
			}
		}
	}
	until("init")
	for n := range 20 {
		if status, text, err := front.post(fmt.Sprintf(`{"event":"n","data":%d}`, n)); err != nil || status != 200 {
			t.Fatalf("%d %s %v", status, text, err)
		}
		until(fmt.Sprintf(`{"event":"n","data":%d}`, n))
	}
	s.stop(t, syscall.SIGTERM)
	until("event: busy")
	if status, _, err := front.post(`{"event":"n"}`); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("a publish while it is down: %d %v", status, err)
	}
	down := front.get(t, ctx, "", "Accept", "text/event-stream")
	if down.StatusCode != http.StatusOK || down.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("while it is down: %d %v", down.StatusCode, down.Header)
	}
}
