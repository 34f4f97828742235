package cli_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// proxy is a running nginx.
type proxy struct {
	url, dir string // dir holds its logs
}

// plain is a server with nginx's default proxy settings: it speaks HTTP/1.0 to the gateway, names the upstream as Host,
// sends no client's address, and buffers answers that it should not buffer.
const plain = `
map "$request_method $http_accept" $sluice_busy {
  default @unavailable;
  "~^GET .*text/event-stream" @busy;
}
access_log off;
server {
  listen 80;
  location / {
    proxy_pass http://127.0.0.1:8080;
    error_page 502 503 504 = $sluice_busy;
  }
  location @busy { default_type text/event-stream; return 200 "retry: 5000\nevent: busy\ndata: {}\n\n"; }
  location @unavailable { return 503; }
}`

// deployed is deploy/nginx.conf.
func deployed(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../deploy/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// nginx starts Debian's with a configuration of servers, whose addresses and log files it replaces, and waits until it is
// up.
func nginx(t *testing.T, servers, upstream string) *proxy {
	t.Helper()
	p := &proxy{dir: t.TempDir()}
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := probe.Addr().String()
	probe.Close()
	for _, one := range [][2]string{
		{"127.0.0.1:8080", strings.TrimPrefix(upstream, "http://")}, {"listen 80;", "listen " + addr + ";"}, {"/var/log/nginx/", p.dir + "/"},
	} {
		servers = strings.ReplaceAll(servers, one[0], one[1])
	}
	conf := fmt.Sprintf(`
daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log warn;
events {}
http {
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  %[2]s
}`, p.dir, servers)
	file := filepath.Join(p.dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx"
	}
	cmd := exec.Command(path, "-p", p.dir, "-e", filepath.Join(p.dir, "start.log"), "-c", file)
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
			p.url = "http://" + addr
			return p
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx did not come up: %s", p.logs(t))
		}
	}
}

// logs are all that nginx wrote.
func (p *proxy) logs(t *testing.T) (all string) {
	t.Helper()
	files, err := filepath.Glob(p.dir + "/*.log")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all += filepath.Base(name) + ":\n" + string(text)
	}
	return all
}

// Frames pass at once, and a restart of the gateway does not end an EventSource.
func TestNginx(t *testing.T) {
	t.Parallel()
	for name, servers := range map[string]string{"default settings": plain, "deploy/nginx.conf": deployed(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, t.TempDir(), keysSetting)
			front := &server{url: nginx(t, servers, s.url).url}
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
			text, err := io.ReadAll(down.Body)
			if err != nil || down.StatusCode != http.StatusOK || down.Header.Get("Content-Type") != "text/event-stream" || !strings.Contains(string(text), "event: busy\n") {
				t.Errorf("while it is down: %d %v %s %v", down.StatusCode, down.Header, text, err)
			}
		})
	}
}

// No proxy opens the metrics, whatever headers it sends.
func TestNginxHidesMetrics(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), keysSetting)
	for name, servers := range map[string]string{
		"default settings":     plain,
		"deploy/nginx.conf":    deployed(t),
		"without its location": strings.Replace(deployed(t), "location = /metrics", "location = /none", 1),
		"with the Host":        strings.Replace(plain, "proxy_pass", "proxy_set_header Host $host; proxy_pass", 1),
		"localhost":            strings.Replace(plain, "proxy_pass", "proxy_set_header Host localhost; proxy_pass", 1),
		"HTTP/1.1, an address": strings.Replace(plain, "proxy_pass", "proxy_http_version 1.1; proxy_set_header X-Real-IP $remote_addr; proxy_pass", 1),
	} {
		front := nginx(t, servers, s.url)
		for _, path := range []string{"/metrics", "//metrics", "/metrics/", "/%6detrics", "/x/../metrics", "/metrics?a=1"} {
			answer, err := http.Get(front.url + path)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || answer.StatusCode < 400 || strings.Contains(string(text), "sluice_") {
				t.Errorf("%s: %s: %d %.200s %v", name, path, answer.StatusCode, text, err)
			}
		}
	}
}

// Through deploy/nginx.conf WebSockets pass, the client's address and the Host arrive, and no log holds a secret.
func TestNginxDeployed(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), keysSetting, "ROOM_CREATE=open", "TRUSTED_PROXIES=127.0.0.1", "LOG_LEVEL=debug")
	front := nginx(t, deployed(t), s.url)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	// The client is at another address than the proxy.
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 77)}}
	client := &http.Client{Transport: &http.Transport{DialContext: from.DialContext}}
	defer client.CloseIdleConnections()
	do := func(method, path, host, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, front.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", "203.0.113.9") // a claim that must not count
		r.Header.Set("X-Forwarded-Prefix", "/claimed")
		if host != "" {
			r.Host = host
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	var room struct {
		Room   string
		Socket string `json:"socket_url"`
		HTTP   string `json:"http_url"`
	}
	if _, text := do("POST", "/new", "", ""); json.Unmarshal([]byte(text), &room) != nil || room.Room == "" {
		t.Fatal(text)
	}
	base := strings.TrimPrefix(front.url, "http")
	if room.Socket != "ws"+base+"/room/"+room.Room+"/connect" || room.HTTP != front.url+"/room/"+room.Room+"/send" {
		t.Errorf("the room is at %s and %s behind %s", room.Socket, room.HTTP, front.url)
	}
	if _, text := do("GET", "/room/"+room.Room, "chat.example:8443", ""); !strings.Contains(text, `"ws://chat.example:8443/room/`) {
		t.Errorf("the port is lost: %s", text)
	}
	exchange := func(url, text, want string) {
		t.Helper()
		ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		defer ws.CloseNow()
		if err := ws.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := ws.Read(ctx); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: %s %v", url, got, err)
		}
	}
	exchange(room.Socket, `{"type":"get","key":"k"}`, `"init"`)
	exchange("ws"+base+"/websocket?access_token="+testKey, `{"type":"ping"}`, "pong")
	const token = "eyJhbGciOiJIUzI1NiJ9.e30.c2VjcmV0"
	secret := []string{testKey, token, room.Room}
	// An error of nginx itself, which it would log with the whole request line.
	if err := os.RemoveAll(filepath.Join(front.dir, "b")); err != nil {
		t.Fatal(err)
	}
	ask := func() {
		for _, path := range []string{
			"/realtime?apikey=" + testKey + "&to=1&from=earliest", "/realtime?token=" + token, "/room/" + room.Room, "/room/" + room.Room + "/nothing", "//room//" + room.Room,
			"/rooms/" + room.Room, "/" + room.Room, "/%72oom/" + room.Room, "/x?access_token=" + token,
		} {
			do("GET", path, "", "")
		}
		do("POST", "/realtime?apikey="+testKey, "", strings.Repeat("x", 3<<20))                  // more than nginx takes
		do("POST", "/room/"+room.Room+"/send?apikey="+testKey, "", strings.Repeat("x", 100<<10)) // a body that it keeps in a file
	}
	ask()
	s.stop(t, syscall.SIGTERM)
	if !strings.Contains(s.log.String(), "from=127.0.0.77") || strings.Contains(s.log.String(), "203.0.113.9") {
		t.Errorf("the client's address did not arrive: %s", s.log)
	}
	ask() // nothing is behind it now
	for name, text := range map[string]string{"nginx": front.logs(t), "the gateway": s.log.String()} {
		for _, word := range secret {
			if strings.Contains(text, word) {
				t.Errorf("the log of %s holds %q:\n%s", name, word, text)
			}
		}
	}
	if logs := front.logs(t); !strings.Contains(logs, "127.0.0.77 [") || !strings.Contains(logs, " GET /room HTTP/1.1 ") {
		t.Errorf("the access log is of no use:\n%s", logs)
	}
}
