package cli_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/gateway/gatewaytest"
)

// terminal is a command at a terminal of its own.
type terminal struct {
	cmd    *exec.Cmd
	master *os.File
	slave  *os.File

	mu   sync.Mutex
	text strings.Builder
	done chan error
}

// openTerminal opens a pair of files that behave as a terminal: pts(4).
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		if failed == nil {
			number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
		if failed == nil {
			failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 120})
		}
	})
	if err = errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// atTerminal starts a command of the binary at a terminal. The arguments may have functions that change the command.
func atTerminal(t *testing.T, env []string, arguments ...any) *terminal {
	t.Helper()
	var args []string
	var changes []func(*exec.Cmd)
	for _, a := range arguments {
		switch a := a.(type) {
		case string:
			args = append(args, a)
		case func(*exec.Cmd):
			changes = append(changes, a)
		}
	}
	master, slave := openTerminal(t)
	c := &terminal{cmd: exec.Command(binary, args...), master: master, slave: slave, done: make(chan error, 1)}
	c.cmd.Env = append([]string{"TERM=xterm"}, env...)
	c.cmd.Dir = t.TempDir()
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = slave, slave, slave
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	for _, change := range changes {
		change(c.cmd)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			c.mu.Lock()
			c.text.Write(buffer[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() { c.done <- c.cmd.Wait() }()
	t.Cleanup(func() { c.cmd.Process.Kill() })
	return c
}

// all is everything that was written to the terminal.
func (c *terminal) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)

// screen is the last page that was written whole, without colours.
func (c *terminal) screen() string {
	pages := strings.Split(c.all(), "\x1b[H")
	if len(pages) < 3 {
		return ""
	}
	return escapes.ReplaceAllString(pages[len(pages)-2], "")
}

// sees waits until the terminal shows all of the texts.
func (c *terminal) sees(t *testing.T, shown func() string, texts ...string) {
	t.Helper()
	gatewaytest.Until(t, func() error {
		for _, text := range texts {
			if s := shown(); !strings.Contains(s, text) {
				return fmt.Errorf("the terminal does not show %q:\n%s", text, s)
			}
		}
		return nil
	})
}

func (c *terminal) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := c.master.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// ends waits for the end of the command.
func (c *terminal) ends(t *testing.T, want int) {
	t.Helper()
	if err := <-c.done; c.cmd.ProcessState.ExitCode() != want {
		t.Errorf("exit %d, want %d: %v\n%s", c.cmd.ProcessState.ExitCode(), want, err, c.all())
	}
	c.done <- nil
}
