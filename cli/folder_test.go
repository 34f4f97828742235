package cli_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A gateway whose folder is taken away ends and says so: what it would acknowledge nobody could ever find.
func TestFolderIsGone(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(data string) error{
		"removed": os.RemoveAll,
		"renamed": func(data string) error { return os.Rename(data, data+"2") },
		"emptied": func(data string) error { return os.RemoveAll(filepath.Join(data, "log")) },
		"replaced": func(data string) error {
			if err := os.Rename(data, data+"2"); err != nil {
				return err
			}
			return os.CopyFS(data, os.DirFS(data+"2"))
		},
		"unlocked": func(data string) error { return os.Remove(filepath.Join(data, "log", "LOCK")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := start(t, dir, "DATA_DIR=data", keysSetting)
			if code, text, err := s.post(`{"event":"a"}`); code != http.StatusOK {
				t.Fatalf("%d %s %v", code, text, err)
			}
			if err := take(filepath.Join(dir, "data")); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-s.done:
				s.done <- err
				if err == nil || !strings.Contains(s.log.String(), "it is not the folder any more") {
					t.Errorf("it ended with %v\n%s", err, s.log)
				}
			case <-time.After(20 * time.Second):
				t.Error("it goes on")
			}
		})
	}
}

// A second gateway does not come up beside the first, whatever became of the file LOCK.
func TestSecondGateway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir, "DATA_DIR=data", keysSetting)
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil { // it sees nothing
		t.Fatal(err)
	}
	defer s.cmd.Process.Signal(syscall.SIGCONT)
	for _, unlocked := range []bool{false, true} {
		if unlocked {
			if err := os.Remove(filepath.Join(dir, "data", "log", "LOCK")); err != nil {
				t.Fatal(err)
			}
		}
		second := exec.Command(binary, "serve")
		second.Dir = dir
		second.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "ADDR=127.0.0.1:0", "DATA_DIR=data", keysSetting}
		var log bytes.Buffer
		second.Stdout, second.Stderr = io.Discard, &log
		ended := time.AfterFunc(20*time.Second, func() { second.Process.Kill() })
		if err := second.Run(); err == nil || !strings.Contains(log.String(), "stop that process") {
			t.Errorf("LOCK removed: %v; the second ended with %v\n%s", unlocked, err, log.String())
		}
		ended.Stop()
	}
}
