package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// readmeAddress is where the README's gateways listen.
const readmeAddress = "127.0.0.1:8080"

// pasted names, for the process that runs the README's commands, the file that has them. See runPasted.
const pasted = "SLUICE_TEST_PASTED"

// noLoopback is the exit code of a process whose namespace it cannot set up.
const noLoopback = 75

// readme is what the README has to paste, and the outputs that it shows.
type readme struct {
	commands []string
	outputs  []string
	doors    int // rows of the table of doors
}

// readReadme takes the blocks of sh and the commands of the table of doors, in their order. The last section is about the
// source: its commands take long, and CI runs them anyway.
func readReadme(t *testing.T) (r readme) {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	page, _, found := strings.Cut(string(text), "\n## Build and test\n")
	if !found {
		t.Fatal("README.md has no section Build and test")
	}
	parts := regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$|^\\| [^|]+ \\| [^|]+ \\| `(curl [^`|]+)` \\|")
	for _, m := range parts.FindAllStringSubmatch(page, -1) {
		switch {
		case m[3] != "":
			r.commands = append(r.commands, m[3]+"\n")
			r.doors++
		case m[1] == "sh":
			r.commands = append(r.commands, m[2])
		case m[1] == "":
			r.outputs = append(r.outputs, m[2])
		}
	}
	return r
}

// TestReadme pastes all that the README shows into one shell, in order, in an empty folder. Each command succeeds, the
// outputs that the README shows appear, no process stays behind, and the port is free again.
//
// The commands run in a network namespace of their own, where port 8080 is free and everything is as written. Where the
// system allows none, they use another port instead of 8080. Nothing else is changed: a file .curlrc makes curl fail on
// statuses of 400 and more (and hides its progress), and in place of go a script puts the program that this package has built where go build would.
func TestReadme(t *testing.T) {
	t.Parallel()
	r := readReadme(t)
	if len(r.commands) < 15 || r.doors < 8 || len(r.outputs) == 0 {
		t.Fatalf("only %d blocks, %d doors and %d outputs were found", len(r.commands), r.doors, len(r.outputs))
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"home/.curlrc": "fail-with-body\nno-progress-meter\n",
		"path/go":      "#!/bin/sh\n[ \"$*\" = 'build -o bin/sluice .' ] || { echo \"the test knows no go $*\"; exit 1; }\nmkdir -p bin && cp \"$SLUICE_TEST_BINARY\" bin/sluice\n",
		"clone/.keep":  "",
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	out := paste(t, dir, "trap 'echo \"FAILED with $?: $BASH_COMMAND\"' ERR\n"+strings.Join(r.commands, ""))
	if strings.Contains(out, "FAILED with") {
		t.Errorf("a command fails:\n%s", out)
	}
	for _, want := range r.outputs {
		shape := regexp.MustCompile(`\d{10,}`).ReplaceAllString(regexp.QuoteMeta(want), `\d+`)
		shape = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:]+\\.\d+Z`).ReplaceAllString(shape, `\d{4}-\d\d-\d\dT[\d:]+(\.\d+)?Z`)
		if !regexp.MustCompile(`(?m)^` + shape).MatchString(out) {
			t.Errorf("README.md shows this output:\n%s\nIt is not in:\n%s", want, out)
		}
	}
	if n := strings.Count(out, "Open the dashboard with this link"); n != 1 {
		t.Errorf("the link to the dashboard is there %d times:\n%s", n, out)
	}
}

// paste gives commands to a shell in the folder clone, and returns what they print.
func paste(t *testing.T, dir, commands string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	env := []string{
		"HOME=" + filepath.Join(dir, "home"), "PATH=" + filepath.Join(dir, "path") + ":" + os.Getenv("PATH"),
		"SLUICE_TEST_BINARY=" + binary, pasted + "=" + filepath.Join(dir, "commands"),
	}
	run := func(commands, address string, env []string, flags uintptr) (string, error) {
		if err := os.WriteFile(filepath.Join(dir, "commands"), []byte(commands), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(ctx, os.Args[0], address)
		cmd.Dir, cmd.Env = filepath.Join(dir, "clone"), env
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		if flags&syscall.CLONE_NEWUSER != 0 {
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
		}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			return "", err // the system allows no such namespace
		}
		err := cmd.Wait()
		if cmd.ProcessState.ExitCode() == noLoopback {
			return "", err // it allows one, but nothing in it
		}
		if err != nil {
			t.Errorf("%v:\n%s", err, out.String())
		}
		return out.String(), nil
	}
	for _, flags := range []uintptr{syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET, syscall.CLONE_NEWNET} {
		if out, err := run(commands, readmeAddress, env, flags); err == nil {
			return out
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	t.Logf("no network namespace is allowed here: the commands use %s", address)
	out, err := run(strings.ReplaceAll(commands, readmeAddress, address), address, append(env, "ADDR="+address, "SLUICE_URL=http://"+address), 0)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// runPasted is the process that paste starts, in a namespace of its own: this test's program once more. It lets a shell
// read the commands, and looks for what they leave behind. Its argument is the address that must be free afterwards.
func runPasted() int {
	if loopbackUp() != nil {
		return noLoopback
	}
	commands, err := os.Open(os.Getenv(pasted))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	os.Unsetenv(pasted)
	shell := exec.Command("bash")
	shell.Stdin, shell.Stdout, shell.Stderr = commands, os.Stdout, os.Stderr
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := shell.Run(); err != nil {
		fmt.Println("the shell:", err)
	}
	code := 0
	for _, pid := range ofSession(shell.Process.Pid) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		fmt.Printf("LEFT BEHIND: process %d, %q\n", pid, line)
		syscall.Kill(pid, syscall.SIGKILL)
		code = 1
	}
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Println("LEFT BEHIND:", err)
		return 1
	}
	l.Close()
	return code
}

// loopbackUp switches the device on, which is off in a new namespace.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil {
		return err
	}
	if lo.Uint16()&unix.IFF_UP != 0 {
		return nil
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// ofSession returns the processes of a session that run.
func ofSession(session int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		var pid, parent, group, of int
		var state string
		fmt.Sscanf(filepath.Base(filepath.Dir(name)), "%d", &pid)
		after := text[bytes.LastIndexByte(text, ')')+1:] // a name may contain anything
		if _, err := fmt.Sscan(string(after), &state, &parent, &group, &of); err == nil && of == session && state != "Z" {
			pids = append(pids, pid)
		}
	}
	return pids
}
