package cli_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/gatewaytest"
)

// A stop of the whole process, longer than all time limits, closes nobody: who was idle gets pings, and who was being
// written to has its time anew. Over clear text and over HTTP/2.
func TestStopClosesNobody(t *testing.T) {
	t.Parallel()
	limits := []string{
		strings.Replace(documentKeys, `"sub":["*:*"]`, `"sub":["*","*:*"]`, 1), "ROOM_CREATE=open", "MAX_RESULT=64MiB",
		"WRITE_TIMEOUT=4s", "PING_INTERVAL=1s", "WEBSOCKET_HEARTBEAT=2s", "READ_TIMEOUT=2s",
	}
	t.Run("HTTP/1.1", func(t *testing.T) {
		t.Parallel()
		stopped(t, start(t, t.TempDir(), limits...), &http.Client{Transport: &http.Transport{DialContext: narrow, DisableCompression: true}})
	})
	t.Run("HTTP/2", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		writeCertificate(t, dir, 1)
		s := start(t, dir, append(limits, "TLS_CERT_FILE=cert.pem", "TLS_KEY_FILE=key.pem", "METRICS_ADDR=127.0.0.1:0")...)
		stopped(t, s, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, DisableCompression: true}})
	})
}

// narrow makes a connection that soon holds up its sender.
func narrow(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		err = c.(*net.TCPConn).SetReadBuffer(128 << 10)
	}
	return c, err
}

// stopFor is longer than the limits of the test. With the wait before it, it is shorter than WRITE_TIMEOUT and five seconds:
// after these, the kernel ends a connection whose client takes nothing (TCP_USER_TIMEOUT), whatever the process does. The process's clock is the system's, so this takes real time, and
// so do the waits for what must not happen after the stop.
const stopFor = 5 * time.Second

// blocked waits until the process writes no more: its clients take nothing.
func (s *server) blocked(t *testing.T) {
	t.Helper()
	written := func() string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", s.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "wchar: ")
		n, _, _ := strings.Cut(rest, "\n")
		return n
	}
	before, same := "", 0
	gatewaytest.Until(t, func() error {
		if now := written(); now != before {
			before, same = now, 0
		}
		if same++; same < 20 { // on a busy machine, a process that does not wait may write nothing for a moment
			return fmt.Errorf("the process has written %s bytes, and goes on", before)
		}
		return nil
	})
}

func stopped(t *testing.T, s *server, client *http.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	request := func(method, path, body string) *http.Response {
		r, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Apikey", testKey)
		r.Header.Set("Content-Type", "application/json")
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode >= http.StatusMultipleChoices {
			text, _ := io.ReadAll(answer.Body)
			t.Fatalf("%s: %s %s", path, answer.Status, text)
		}
		return answer
	}
	data := strings.Repeat("x", 50_000)
	const events, documents = 500, 300
	for i := range events / 20 {
		var batch []string
		for n := range 20 {
			batch = append(batch, fmt.Sprintf(`{"event":"large","data":"%d-%d-%s"}`, i, n, data))
		}
		request(http.MethodPost, "/realtime", "["+strings.Join(batch[:10], ",")+"]").Body.Close()
		request(http.MethodPost, "/realtime", "["+strings.Join(batch[10:], ",")+"]").Body.Close()
	}
	for i := range documents / 15 {
		var batch []string
		for n := range 15 {
			batch = append(batch, fmt.Sprintf(`{"_id":"%d-%d","text":%q}`, i, n, data))
		}
		request(http.MethodPost, "/rest/c", "["+strings.Join(batch, ",")+"]").Body.Close()
	}
	type reader struct {
		what   string
		answer *http.Response
		least  int
	}
	idle := request(http.MethodGet, "/realtime?channels=idle", "")
	defer idle.Body.Close()
	lines := bufio.NewScanner(idle.Body)
	lineCount := atomic.Int32{}
	over := make(chan error, 1)
	event := make(chan struct{})
	go func() { // ends with the stream
		for lines.Scan() {
			if lineCount.Add(1); strings.Contains(lines.Text(), `"event":"idle"`) {
				close(event)
			}
		}
		over <- lines.Err()
	}()
	beaten := s.beat(t, client)
	var readers []reader
	// Nobody reads the answers yet, so soon each is being written to.
	for what, path := range map[string]string{
		"a stream of the past": "/realtime?from=earliest&channels=large", "lines of the past": "/realtime?from=earliest&channels=large&until=caught-up",
		"a list of documents": `/rest/c?h={"$max":1000}`,
	} {
		answer := request(http.MethodGet, path, "")
		defer answer.Body.Close()
		readers = append(readers, reader{what, answer, min(events, documents) * len(data)})
	}
	s.blocked(t)
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(stopFor)
	before := lineCount.Load()
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	gatewaytest.Until(t, func() error { // with the first ping after the stop, it has looked at all time limits
		if lineCount.Load() == before {
			return errors.New("the idle stream gets nothing")
		}
		return nil
	})
	var reading sync.WaitGroup
	for _, r := range readers {
		reading.Go(func() { // all together: each has only as much time as the setting says
			n, left := 0, make([]byte, 64<<10)
			var err error
			for n < r.least && err == nil {
				var m int
				m, err = r.answer.Body.Read(left)
				n += m
			}
			if err != nil && n < r.least {
				t.Errorf("%s ends after %d bytes: %v", r.what, n, err)
			}
		})
	}
	reading.Wait()
	request(http.MethodPost, "/realtime", `{"event":"idle"}`).Body.Close()
	select {
	case <-event:
	case err := <-over:
		t.Errorf("the idle stream has ended: %v", err)
	case <-time.After(10 * time.Second):
		t.Error("the idle stream gets no event")
	}
	select {
	case err := <-beaten:
		t.Errorf("the WebSocket has ended: %v", err)
	default:
	}
	if t.Failed() {
		t.Log(s.log)
	}
}

// beat opens a WebSocket that answers its pings, a moment late, and returns what receives its end.
func (s *server) beat(t *testing.T, client *http.Client) <-chan error {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	ended := make(chan error, 1)
	plain := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	ws, _, err := websocket.Dial(ctx, strings.Replace(s.url, "http", "ws", 1)+"/websocket?access_token="+testKey, &websocket.DialOptions{HTTPClient: plain})
	if err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the test
		defer ws.CloseNow()
		for {
			_, text, err := ws.Read(ctx)
			if err != nil {
				ended <- err
				return
			}
			if strings.Contains(string(text), `"ping"`) {
				time.Sleep(300 * time.Millisecond) // so that the stop may come before the answer
				if err := ws.Write(ctx, websocket.MessageText, []byte(`{"type":"pong"}`)); err != nil {
					ended <- err
					return
				}
			}
		}
	}()
	return ended
}

// In the long form, scripts/trouble-stop.sh has the process stopped for a minute with 10,000 clients.
func TestStopOfACrowd(t *testing.T) {
	t.Parallel()
	crowd, long := 500, stopFor
	if os.Getenv("TROUBLE_STOP") == "long" {
		crowd, long = 10_000, time.Minute
	}
	s := start(t, t.TempDir(), keysSetting, "WRITE_TIMEOUT=2s", "PING_INTERVAL=1s")
	s.hold(t, crowd)
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(long)
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if report, err := s.bench(context.Background(), "-n", "100", "-e", "100"); err != nil {
		t.Errorf("after the stop: %v\n%s", err, report)
	}
	time.Sleep(3 * time.Second) // more than the limits; nothing tells that a stream stays open
	if n := s.connections(t); n != crowd {
		t.Errorf("%d of %d streams are left", n, crowd)
	}
	for line := range strings.SplitSeq(s.fetch(t, "/metrics"), "\n") {
		if n, ok := strings.CutPrefix(line, `sluice_streams_ended_total{reason="slow"} `); ok && n != strconv.Itoa(0) {
			t.Errorf("%s were closed as slow", n)
		}
	}
	t.Logf("%d streams after a stop of %v, looked at for %v", crowd, long, time.Since(begun).Round(time.Second))
}
