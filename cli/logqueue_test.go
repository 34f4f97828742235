package cli_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// unread starts a gateway that logs each request to a pipe, and has it log more than pipe and queue can hold.
func unread(t *testing.T) (*server, *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	s := startLogging(t, t.TempDir(), write, "DATA_DIR=memory", "LOG_LEVEL=debug", keysSetting)
	write.Close()
	return s, read
}

// chatter makes the gateway log some 600 KiB.
func (s *server) chatter(t *testing.T) {
	t.Helper()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 750 {
				s.page(t, "/healthz")
			}
		})
	}
	all.Wait()
}

func (s *server) page(t *testing.T, path string) string {
	t.Helper()
	answer, err := http.Get(s.url + path)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// Nobody reads the log, or nobody can any more: streams end, publishes are answered, what was dropped is counted, and
// SIGTERM drains.
func TestLogIsNotRead(t *testing.T) {
	t.Parallel()
	for name, closed := range map[string]bool{"stuck": false, "closed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, read := unread(t)
			if closed {
				read.Close()
			}
			s.chatter(t)
			if code, text, err := s.post(`{"event":"a"}`); code != http.StatusOK {
				t.Errorf("published: %d %s %v", code, text, err)
			}
			if text := s.page(t, "/realtime?from=earliest&until=caught-up&apikey="+testKey); !strings.Contains(text, "event: end") {
				t.Errorf("the stream ended with %s", text)
			}
			if text := s.page(t, "/metrics"); !strings.Contains(text, "\nsluice_log_lines_dropped_total ") || strings.Contains(text, "\nsluice_log_lines_dropped_total 0\n") {
				t.Error("no dropped line was counted")
			}
			if err := s.stop(t, syscall.SIGTERM); err != nil {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// A log that is read again says how much is missing.
func TestLogIsReadAgain(t *testing.T) {
	t.Parallel()
	s, read := unread(t)
	s.chatter(t)
	found := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(read)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "lines of this log were dropped") {
				found <- true
				break
			}
		}
		io.Copy(io.Discard, read)
		close(found)
	}()
	select {
	case yes := <-found:
		if !yes {
			t.Error("the log ended without a word of what is missing")
		}
	case <-time.After(20 * time.Second):
		t.Error("no word of what is missing")
	}
	if err := s.stop(t, syscall.SIGTERM); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
