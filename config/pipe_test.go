//go:build unix

package config_test

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPipeIsNotOpened: nobody writes to the pipe, so opening it would wait for ever.
func TestPipeIsNotOpened(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, faults := load("API_KEYS_FILE=" + pipe); faults != nil {
		t.Error(faults)
	}
}
