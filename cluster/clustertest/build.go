//go:build unix

package clustertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The programs are built once for all tests of a process.
var (
	root         = sync.OnceValues(findRoot)
	buildServer  = sync.OnceValues(natsServer)
	buildGateway = sync.OnceValues(func() (string, error) { return gateway("sluice-clustertest") })
	buildNext    = sync.OnceValues(func() (string, error) { return gateway("sluice-clustertest-next", "-tags", "nextlevel") })
)

// need returns what was built, or ends the test.
func need(t testing.TB, build func() (string, error)) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// findRoot returns the folder of the repository. A test may be one of another module in it.
func findRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sluice").Output()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func natsServer() (string, error) {
	dir, err := root()
	if err != nil {
		return "", err
	}
	if out, err := exec.Command(filepath.Join(dir, "scripts", "nats-server.sh")).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building nats-server: %w: %s", err, out)
	}
	return filepath.Join(dir, "bin", "nats-server"), nil
}

// gateway builds the gateway, with more flags for go build. It does so beside the final place first: tests of several packages may
// build at the same time.
func gateway(name string, flags ...string) (string, error) {
	dir, err := root()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", fmt.Errorf("building the gateway: %w", err)
	}
	folder, err := os.MkdirTemp(bin, "build-")
	if err != nil {
		return "", fmt.Errorf("building the gateway: %w", err)
	}
	defer os.RemoveAll(folder)
	built := filepath.Join(folder, "sluice")
	build := exec.Command("go", append(append([]string{"build", "-o", built}, flags...), "sluice")...)
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the gateway: %w: %s", err, out)
	}
	path := filepath.Join(bin, name) // not bin/sluice, which make build may write in place
	if err := os.Rename(built, path); err != nil {
		return "", fmt.Errorf("building the gateway: %w", err)
	}
	return path, nil
}
