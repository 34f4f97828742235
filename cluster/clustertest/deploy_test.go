//go:build unix

package clustertest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"sluice/config"
)

// deployed reads a file of deploy/.
func deployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(need(t, root), "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The balancer of a cluster does what nginx before one gateway does: deploy/cluster/nginx.conf has each of its lines.
func TestNginxConfIsTheSame(t *testing.T) {
	t.Parallel()
	cluster := map[string]bool{}
	for line := range strings.Lines(deployed(t, "cluster/nginx.conf")) {
		cluster[strings.TrimSpace(line)] = true
	}
	for line := range strings.Lines(deployed(t, "nginx.conf")) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "#") && line != "server 127.0.0.1:8080;" && !cluster[line] {
			t.Errorf("deploy/cluster/nginx.conf has no line %q", line)
		}
	}
}

// startNginx starts nginx with deploy/cluster/nginx.conf before the nodes, and returns its address.
func startNginx(t *testing.T, nodes []*Node) string {
	t.Helper()
	dir, front := t.TempDir(), address(loopback, takePorts(t).take(t))
	conf := strings.NewReplacer("listen 80;", "listen "+front+";", "/var/log/nginx/", dir+"/",
		"gateway-1:8080", nodes[0].address, "gateway-2:8080", nodes[1].address, "gateway-3:8080", nodes[2].address).Replace(deployed(t, "cluster/nginx.conf"))
	file := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf("daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log warn; events {}\n"+
		"http { client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\n%[2]s}\n", dir, conf)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx" // make deps installs it
	}
	nginx := newProcess(t, "nginx", func() *exec.Cmd {
		return exec.Command(path, "-p", dir, "-e", filepath.Join(dir, "start.log"), "-c", file)
	})
	nginx.start(t)
	url := "http://" + front
	nginx.await(t, func() error {
		answer, err := pages.Get(url + "/metrics") // which nginx answers itself
		if err == nil {
			answer.Body.Close()
		}
		return err
	})
	return url
}

// breaking are gateways that take a request and then close the connection without an answer. It counts the requests.
func breaking(t *testing.T, n int) (nodes []*Node, seen *atomic.Int64) {
	t.Helper()
	seen = &atomic.Int64{}
	for range n {
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			seen.Add(1)
			panic(http.ErrAbortHandler)
		}))
		t.Cleanup(s.Close)
		nodes = append(nodes, &Node{address: strings.TrimPrefix(s.URL, "http://")})
	}
	return nodes, seen
}

// nginx sends a publish to another gateway only if the first one got nothing of it. A read goes to all of them.
func TestNginxRepeatsNoPublish(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		method string
		want   int64 // gateways that got the request
	}{{"POST", 1}, {"PATCH", 1}, {"GET", 3}} {
		t.Run(one.method, func(t *testing.T) {
			t.Parallel()
			nodes, seen := breaking(t, 3)
			r, err := http.NewRequestWithContext(bounded(t), one.method, startNginx(t, nodes)+"/realtime", strings.NewReader(`{"event":"e"}`))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := pages.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if got := seen.Load(); got != one.want || answer.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%d gateways got it, want %d; the answer is %d", got, one.want, answer.StatusCode)
			}
		})
	}
}

// nginx uses all gateways in turn. A publish goes to another one if its own is gone.
func TestNginxUsesAll(t *testing.T) {
	t.Parallel()
	nodes, servers := backends(t, 3)
	url := startNginx(t, nodes)
	for round := range 3 {
		seen := map[string]bool{}
		for range 9 {
			answer, err := pages.Post(url, "application/json", strings.NewReader(`{"event":"e"}`))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Fatalf("without %d gateways: %d %s %v", round, answer.StatusCode, text, err)
			}
			seen[string(text[:1])] = true
		}
		if len(seen) != 3-round {
			t.Errorf("without %d gateways, the requests go to %v", round, seen)
		}
		servers[round].Close()
	}
}

var envName = regexp.MustCompile(`(?m)^#?([A-Z][A-Z_]+)=`)

// The files of settings name what the gateway and nats-server.conf know.
func TestEnvFiles(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	cfg, err := config.Load(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range cfg.Effective() {
		known[s.Name] = true
	}
	for i := range 3 {
		file := fmt.Sprintf("cluster/gateway-%d.env", i+1)
		for _, m := range envName.FindAllStringSubmatch(deployed(t, file), -1) {
			if !known[m[1]] {
				t.Errorf("%s: there is no setting %s", file, m[1])
			}
		}
	}
	for i := range 3 {
		file := fmt.Sprintf("cluster/nats-%d.env", i+1)
		named, used := map[string]bool{}, map[string]bool{}
		for _, m := range envName.FindAllStringSubmatch(deployed(t, file), -1) {
			named[m[1]] = true
		}
		for _, m := range regexp.MustCompile(`(?m)^[^#\n]*\$([A-Z_]+)`).FindAllStringSubmatch(deployed(t, "cluster/nats-server.conf"), -1) {
			used[m[1]] = true
		}
		if fmt.Sprint(named) != fmt.Sprint(used) { // maps are printed in order
			t.Errorf("%s has %v, and nats-server.conf uses %v", file, named, used)
		}
	}
}

// deploy/cluster/laptop.sh runs a cluster. The lines that it prints work as they are pasted. A second start has the data.
func TestLaptop(t *testing.T) {
	t.Parallel()
	dir, free := t.TempDir(), takePorts(t)
	bin, data := filepath.Join(dir, "bin"), filepath.Join(dir, "data")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, built := range map[string]string{"sluice": need(t, buildGateway), "nats-server": need(t, buildServer)} {
		if err := os.Symlink(built, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	port := free.take(t)
	for range 3 { // the gateways' ports
		free.take(t)
	}
	nats := free.take(t) // and eight behind it
	script := newProcess(t, "laptop.sh", func() *exec.Cmd {
		cmd := exec.Command(filepath.Join(need(t, root), "deploy", "cluster", "laptop.sh"), data)
		cmd.Env = append(os.Environ(), "BIN="+bin, fmt.Sprint("PORT=", port), fmt.Sprint("NATS_PORT=", nats))
		return cmd
	})
	t.Cleanup(func() { killAll(t, script, data) })
	var id string
	for start := range 2 {
		script.log.clear()
		script.start(t)
		script.await(t, func() error {
			if !strings.Contains(script.log.String(), "Ctrl-C stops all") {
				return fmt.Errorf("it is not up: %s", script.log.lines(5))
			}
			return nil
		})
		curl := regexp.MustCompile(`(?m)^ +(curl .*)$`).FindAllStringSubmatch(script.log.String(), -1)
		if len(curl) != 2 {
			t.Fatalf("it printed the curl lines %q", curl)
		}
		if start == 1 { // read what the first start has stored
			read := strings.Replace(curl[0][1], "/realtime", "'/realtime?from=earliest&until=caught-up'", 1)
			if out, err := exec.Command("sh", "-c", read).Output(); err != nil || !strings.Contains(string(out), "\nid: "+id+"\n") {
				t.Errorf("%s is gone: %s %v", id, out, err)
			}
		}
		out, err := exec.Command("sh", "-c", curl[1][1]).Output()
		m := regexp.MustCompile(`"id":"(\d+)"`).FindSubmatch(out)
		if err != nil || m == nil {
			t.Fatalf("publishing: %s %v", out, err)
		}
		id = string(m[1])
		script.stop(t, syscall.SIGTERM)
	}
}

// killAll ends the script and, if it did not, what it started.
func killAll(t *testing.T, script *process, data string) {
	script.kill(t)
	logs, err := filepath.Glob(filepath.Join(data, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, log := range logs {
		if text, err := os.ReadFile(log); err == nil && t.Failed() {
			t.Logf("the end of %s:\n%s", filepath.Base(log), text[max(0, len(text)-2000):])
		}
	}
	files, err := filepath.Glob(filepath.Join(data, "*.pid"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err == nil {
			t.Errorf("%s left a process", filepath.Base(file))
		}
	}
}
