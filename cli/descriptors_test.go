//go:build linux

package cli_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Streams leave some descriptors to others: beyond that they are answered busy, with one warning, and publishing goes on.
func TestDescriptorsRunOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	limited := filepath.Join(dir, "limited")
	if err := os.WriteFile(limited, []byte("#!/bin/sh\nulimit -n 256\nexec "+binary+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := startCommand(t, exec.Command(limited, "serve"), dir, keysSetting)
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	busy := 0
	for i := range 300 {
		c, text := s.rawStream(t)
		open = append(open, c)
		if strings.Contains(text, "event: busy") {
			busy++
			c.Close()
		} else if !strings.Contains(text, `"channel":"init"`) {
			t.Fatalf("stream %d: %q", i, text)
		}
	}
	if busy < 50 || busy > 200 {
		t.Errorf("%d of 300 streams were answered busy", busy)
	}
	for i := range 20 {
		fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.url+"/realtime", strings.NewReader(fmt.Sprintf(`{"event":"a%d"}`, i)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Apikey", testKey)
		r.Header.Set("Content-Type", "application/json")
		answer, err := fresh.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Body.Close(); answer.StatusCode != http.StatusOK {
			t.Errorf("publish %d: %s", i, answer.Status)
		}
	}
	for _, c := range open[:100] {
		c.Close()
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		c, text := s.rawStream(t)
		if c.Close(); strings.Contains(text, `"channel":"init"`) {
			break
		} else if time.Now().After(end) {
			t.Fatalf("there is room again, and a stream gets %q", text)
		}
	}
	s.stop(t, os.Interrupt)
	if n := strings.Count(s.log.String(), "file descriptors are running out"); n != 1 {
		t.Errorf("%d warnings\n%s", n, s.log)
	}
}

// rawStream opens a stream on a connection of its own and returns what comes first.
func (s *server) rawStream(t *testing.T) (net.Conn, string) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(c, "GET /realtime HTTP/1.1\r\nHost: x\r\nX-Apikey: %s\r\nAccept: text/event-stream\r\n\r\n", testKey); err != nil {
		t.Fatal(err)
	}
	text, buf := "", make([]byte, 8<<10)
	for !strings.Contains(text, "data: ") {
		n, err := c.Read(buf)
		if text += string(buf[:n]); err != nil {
			return c, text
		}
	}
	return c, text
}
