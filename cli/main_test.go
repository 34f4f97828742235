package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the real thing, built once for all tests of this package.
var binary string

func TestMain(m *testing.M) {
	if os.Getenv(pasted) != "" { // TestReadme has started this process
		os.Exit(runPasted())
	}
	dir, err := os.MkdirTemp("", "sluice-test")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "sluice")
	build := exec.Command("go", "build", "-o", binary, "sluice")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

const testKey = "0123456789abcdef-test"

// keysSetting is a key that may do everything.
const keysSetting = `API_KEYS=[{"name":"test","key":"` + testKey + `","sub":["*"],"pub":["*"]}]`

// server is a running gateway.
type server struct {
	cmd  *exec.Cmd
	url  string
	log  *logText
	done chan error
	keys []string // that the administrator made
}

// logText is a gateway's log that can be read while it is written.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs the binary in dir with settings on top of a bare environment, and waits until it is up.
func start(t testing.TB, dir string, env ...string) *server {
	t.Helper()
	return startLogging(t, dir, &logText{}, env...)
}

// startLogging is start with a log of its own.
func startLogging(t testing.TB, dir string, log io.Writer, env ...string) *server {
	t.Helper()
	cmd := exec.Command(binary, "serve")
	cmd.Stderr = log
	return startCommand(t, cmd, dir, env...)
}

// startCommand is start with a command of its own.
func startCommand(t testing.TB, cmd *exec.Cmd, dir string, env ...string) *server {
	t.Helper()
	if cmd.Stderr == nil {
		cmd.Stderr = &logText{}
	}
	s := &server{cmd: cmd, done: make(chan error, 1)}
	s.log, _ = cmd.Stderr.(*logText)
	s.cmd.Dir = dir
	s.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "ADDR=127.0.0.1:0"}, env...)
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && s.url == "" {
		for word := range strings.FieldsSeq(lines.Text()) {
			if strings.HasPrefix(word, "http") {
				s.url, _, _ = strings.Cut(strings.TrimSuffix(word, "/realtime"), "/#")
			}
		}
	}
	go func() {
		io.Copy(io.Discard, out)
		s.done <- s.cmd.Wait()
	}()
	if s.url == "" {
		t.Fatalf("it did not come up: %v\n%s", <-s.done, s.log)
	}
	t.Cleanup(func() { s.stop(t, syscall.SIGKILL) })
	return s
}

// stop sends a signal and waits for the end.
func (s *server) stop(t testing.TB, sig os.Signal) error {
	t.Helper()
	if s.cmd.ProcessState != nil {
		return nil
	}
	s.cmd.Process.Signal(sig)
	select {
	case err := <-s.done:
		s.done <- err
		return err
	case <-time.After(30 * time.Second):
		s.cmd.Process.Kill()
		t.Fatal("it did not end")
		return nil
	}
}

func (s *server) post(body string, headers ...string) (int, string, error) {
	r, err := http.NewRequest(http.MethodPost, s.url+"/realtime", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("X-Apikey", testKey)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// streams has connections of its own: the gateway closes one whose stream it has ended, and a publish that
// took it at that very moment would be lost with it.
var streams = &http.Client{Transport: &http.Transport{}}

// get opens a stream.
func (s *server) get(t testing.TB, ctx context.Context, query string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/realtime"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Apikey", testKey)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := streams.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// A start with no setting prints two lines that work as they are pasted.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(binary)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "ADDR=127.0.0.1:0"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var curls []string
	lines := bufio.NewScanner(out)
	for len(curls) < 2 && lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); strings.HasPrefix(line, "curl ") {
			curls = append(curls, line)
		}
	}
	if len(curls) != 2 {
		t.Fatalf("it printed the curl lines %q", curls)
	}
	go io.Copy(io.Discard, out)
	watch := exec.Command("sh", "-c", "exec "+curls[0])
	stream, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	defer watch.Process.Kill()
	frames := bufio.NewScanner(stream)
	for frames.Scan() && !strings.Contains(frames.Text(), `"init"`) {
	}
	if answer, err := exec.Command("sh", "-c", curls[1]).Output(); err != nil || !bytes.Contains(answer, []byte(`"message":"OK"`)) {
		t.Fatalf("publishing: %s %v", answer, err)
	}
	for frames.Scan() {
		if frames.Text() == `data: {"event":"hello","data":"world"}` {
			info, err := os.Stat(filepath.Join(dir, "data", "first-key"))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the key's file: %v %v", info, err)
			}
			return
		}
	}
	t.Fatal("the event did not arrive")
}

// What cannot work is refused at the start, with every fault and no secret.
func TestRefusedStarts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  []string
		want []string
	}{
		{"beyond loopback", []string{"ADDR=0.0.0.0:0"}, []string{"API_KEYS", "127.0.0.1"}},
		{"all faults at once", []string{"PING_INTERVAL=soon", "RETAIN_BYTES=much", "JWT_SECRET=hunter2"}, []string{"PING_INTERVAL=soon", "RETAIN_BYTES=much", "JWT_SECRET=***"}},
		{"bad keys", []string{`API_KEYS=[{"name":"web","key":"hunter2hunter2hunter2","sub":["put"]}]`}, []string{"API_KEYS", "web", `"put"`}},
		{"settings and keys", []string{"PING_INTERVAL=soon", `API_KEYS=[{"name":"web","key":"hunter2hunter2hunter2","sub":["put"]}]`}, []string{"PING_INTERVAL=soon", "API_KEYS=***", `"put"`}},
		{"bad key list", []string{`API_KEYS=[{"key":hunter2}]`}, []string{"API_KEYS", "JSON"}},
	}
	for _, tt := range tests {
		cmd := exec.Command(binary, "serve")
		cmd.Dir = t.TempDir()
		cmd.Env = tt.env
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%s: %v\n%s", tt.name, err, out)
		}
		for _, w := range tt.want {
			if !bytes.Contains(out, []byte(w)) {
				t.Errorf("%s: %q is not in\n%s", tt.name, w, out)
			}
		}
		if bytes.Contains(out, []byte("hunter2")) {
			t.Errorf("%s: a secret is shown:\n%s", tt.name, out)
		}
	}
}

func TestSecondProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start(t, dir, keysSetting)
	cmd := exec.Command(binary)
	cmd.Dir = dir
	cmd.Env = []string{"ADDR=127.0.0.1:0", keysSetting}
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("in use by another process")) || !bytes.Contains(out, []byte("data/log")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// SIGTERM: streams get a last frame, a running publish finishes, new ones are refused, exit 0.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), keysSetting)
	answer := s.get(t, context.Background(), "")
	stream := bufio.NewReader(answer.Body)
	for line := ""; !strings.Contains(line, "init"); {
		var err error
		if line, err = stream.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	// The server asks for the body once the handler has taken the request on: then it is running.
	running, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	fmt.Fprintf(running, "POST /realtime HTTP/1.1\r\nHost: x\r\nX-Apikey: %s\r\nContent-Type: application/json\r\nContent-Length: 16\r\nExpect: 100-continue\r\n\r\n", testKey)
	reply := bufio.NewReader(running)
	if line, err := reply.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q %v", line, err)
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	rest, err := io.ReadAll(stream)
	if err != nil || !strings.HasSuffix(string(rest), "\n\n") || !strings.Contains(string(rest), "event: busy\ndata: {\"event\":\"busy\",\"data\":{\"status\":503") {
		t.Errorf("the last frame: %q %v", rest, err)
	}
	if status, text, err := s.post(`{"event":"late"}`); err != nil || status != 503 {
		t.Errorf("a late publish: %d %s %v", status, text, err)
	}
	if a, err := http.Get(s.url + "/readyz"); err != nil || a.StatusCode != 503 {
		t.Errorf("readyz: %v %v", a, err)
	}
	io.WriteString(running, `{"event":"goal"}`)
	if got, err := io.ReadAll(reply); err != nil || !strings.Contains(string(got), "200 OK") || !strings.Contains(string(got), `"message":"OK"`) {
		t.Errorf("the running publish: %q %v", got, err)
	}
	select {
	case err := <-s.done:
		s.done <- err
		if err != nil {
			t.Errorf("exit: %v\n%s", err, s.log)
		}
	case <-time.After(15 * time.Second):
		t.Error("it did not end")
	}
}

func get(t testing.TB, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
