//go:build unix

package clustertest

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Credentials of all gateways of a test.
const (
	Key      = "0123456789abcdef-test" // may do everything but administer
	AdminKey = "0123456789abcdef-admin"
)

// secret seals what the gateways of a test send each other.
const secret = "0123456789abcdef0123456789abcdef"

// Node is a gateway.
type Node struct {
	*process
	address, dir string
	binary       string
	run          func(args ...string) *exec.Cmd // a command of the program, with the gateway's settings
}

// settings are the environment of a gateway. Later ones count.
func settings(name, address, dir, servers string, more []string) []string {
	return append([]string{
		"ADDR=" + address, "DATA_DIR=" + dir, "CLUSTER_URL=" + servers, "CLUSTER_NODE=" + name, "CLUSTER_SECRET=" + secret, "ADMIN_KEY=" + AdminKey,
		`API_KEYS=[{"name":"test","key":"` + Key + `","sub":["*","*:*"],"pub":["*","*:*"],"rest":["*:*"]}]`,
		"TRUSTED_PROXIES=127.0.0.1,10.0.0.0/8", "PING_INTERVAL=1s", "ROOM_CREATE=open",
	}, more...)
}

// URL is the address of the gateway, which it keeps over restarts.
func (n *Node) URL() string { return "http://" + n.address }

// Dir is its DATA_DIR.
func (n *Node) Dir() string { return n.dir }

// Kill ends the gateway at once.
func (n *Node) Kill(t testing.TB) { t.Helper(); n.kill(t) }

// Stop lets the gateway drain and end, and waits until it has.
func (n *Node) Stop(t testing.TB) { t.Helper(); n.stop(t, syscall.SIGTERM) }

// Pause stops the process in the middle of what it does. Its connections stay.
func (n *Node) Pause(t testing.TB) { t.Helper(); n.signal(t, syscall.SIGSTOP) }

// Resume lets a paused gateway go on.
func (n *Node) Resume(t testing.TB) { t.Helper(); n.signal(t, syscall.SIGCONT) }

// Start starts the gateway again and does not wait.
func (n *Node) Start(t testing.TB) { t.Helper(); n.start(t) }

// Restart starts the gateway again, with its data, and waits until it is ready. If it still runs, it is killed first.
func (n *Node) Restart(t testing.TB) {
	t.Helper()
	n.kill(t)
	n.start(t)
	n.AwaitReady(t)
}

// Upgrade has the next start run the next version, which reads one more level of the formats.
func (n *Node) Upgrade(t testing.TB) { t.Helper(); n.binary = need(t, buildNext) }

// Downgrade has the next start run this version again.
func (n *Node) Downgrade(t testing.TB) { t.Helper(); n.binary = need(t, buildGateway) }

// Running reports whether the process has not ended by itself.
func (n *Node) Running() bool { return n.running() }

// Ready says why the gateway is not ready; nil where it is.
func (n *Node) Ready() error { return getJSON(n.URL()+"/readyz", nil) }

// AwaitReady waits until the gateway is ready.
func (n *Node) AwaitReady(t testing.TB) {
	t.Helper()
	n.await(t, n.Ready)
}

// Logs is what the gateway wrote.
func (n *Node) Logs() string { return n.log.String() }

// Said returns when the gateway first wrote a line with a text to its log since a moment, by the time in the line.
func (n *Node) Said(text string, since time.Time) (at time.Time, err error) {
	since = since.Truncate(time.Millisecond) // as lines are
	for line := range strings.Lines(n.Logs()) {
		if !strings.Contains(line, text) {
			continue
		}
		stamp, _, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
		if at, err = time.Parse(time.RFC3339, stamp); err != nil {
			return at, fmt.Errorf("%s: reading the time of a line: %w", n.name, err)
		}
		if !at.Before(since) {
			return at, nil
		}
	}
	return at, fmt.Errorf("%s has not written %q since %s", n.name, text, since.Format(time.RFC3339Nano))
}

// Verify runs sluice log verify on the folder of the gateway, which must be stopped. It returns the digest of the state.
func (n *Node) Verify(t testing.TB) (digest string) {
	t.Helper()
	if n.running() {
		t.Fatalf("%s runs: stop it first", n.name)
	}
	out, err := n.run("log", "verify", n.dir).CombinedOutput()
	if err != nil {
		t.Fatalf("the log of %s: %v\n%s", n.name, err, out)
	}
	_, digest, found := strings.Cut(string(out), "digest ")
	if !found {
		t.Fatalf("the log of %s: no digest in\n%s", n.name, out)
	}
	return strings.TrimSpace(digest)
}

// Command runs a command of the gateway with its settings, such as cluster status. It returns all that it printed. If the command
// has not ended after Patience, it prints where it waits, and ends.
func (n *Node) Command(args ...string) (string, error) {
	var out strings.Builder // of both outputs: then exec copies by one goroutine
	cmd := n.run(args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Start()
	if err == nil {
		late := time.AfterFunc(Patience, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) }) // ends at once; it may have ended by itself
		err = cmd.Wait()
		late.Stop()
	}
	if err != nil {
		err = fmt.Errorf("sluice %s: %w: %s", strings.Join(args, " "), err, out.String())
	}
	return out.String(), err
}
