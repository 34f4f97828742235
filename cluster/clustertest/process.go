//go:build unix

package clustertest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience bounds each wait for something that must come. An election of JetStream takes up to 9 seconds.
const Patience = 60 * time.Second

// process is a program that can be started again after its end.
type process struct {
	name    string
	command func() *exec.Cmd // what to start; called for each start
	log     tail

	mu   sync.Mutex
	cmd  *exec.Cmd     // nil while it does not run
	done chan struct{} // closed when cmd has ended
}

// logMost bounds the log of a process that is kept.
const logMost = 1 << 20

// tail is the end of a log.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if over := len(l.text) - logMost; over > logMost { // seldom, since it copies
		l.text = append([]byte(nil), l.text[over:]...)
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// clear forgets what was written.
func (l *tail) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = nil
}

// lines returns the last n lines.
func (l *tail) lines(n int) string {
	all := strings.Split(strings.TrimRight(l.String(), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}

// newProcess prepares a process that ends with the test at the latest.
func newProcess(t testing.TB, name string, command func() *exec.Cmd) *process {
	p := &process{name: name, command: command}
	t.Cleanup(func() {
		p.kill(t)
		if t.Failed() {
			t.Logf("the last lines of %s:\n%s", p.name, p.log.lines(50))
		}
	})
	return p
}

// start starts it.
func (p *process) start(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		t.Fatalf("%s runs already", p.name)
	}
	cmd := p.command()
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &p.log, &p.log, attributes()
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", p.name, err)
	}
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() { // until the process ends, which the cleanup of newProcess ensures
		_ = cmd.Wait() // a kill is no fault here
		p.mu.Lock()
		p.cmd = nil
		p.mu.Unlock()
		close(done)
	}()
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil
}

// signal sends a signal. It returns a channel that is closed at the end of the process.
func (p *process) signal(t testing.TB, signals ...os.Signal) <-chan struct{} {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		ended := make(chan struct{})
		close(ended)
		return ended
	}
	for _, s := range signals {
		if err := p.cmd.Process.Signal(s); err != nil && err != os.ErrProcessDone {
			t.Errorf("%s: sending %v: %v", p.name, s, err)
		}
	}
	return p.done
}

// kill ends it at once, also if it is paused.
func (p *process) kill(t testing.TB) {
	t.Helper()
	<-p.signal(t, syscall.SIGKILL)
}

// stop asks it to end, and waits until it has.
func (p *process) stop(t testing.TB, signal os.Signal) {
	t.Helper()
	select {
	case <-p.signal(t, signal):
	case <-time.After(Patience):
		t.Fatalf("%s did not end within %v after %v", p.name, Patience, signal)
	}
}

// Until calls f until it returns no error. It ends the test with the last error after Patience.
func Until(t testing.TB, f func() error) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for err := f(); err != nil; err = f() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %v", Patience, err)
		}
		time.Sleep(50 * time.Millisecond) // between two looks at a condition
	}
}

// await is Until for what a process must do. It ends the test at once if the process has ended.
func (p *process) await(t testing.TB, f func() error) {
	t.Helper()
	Until(t, func() error {
		if !p.running() {
			t.Fatalf("%s has ended", p.name)
		}
		if err := f(); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		return nil
	})
}
