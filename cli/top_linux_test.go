package cli_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/gateway/gatewaytest"
)

const topKey = "0123456789abcdef-admin"

// watched starts a gateway with one client on a channel, and events.
func watched(t *testing.T) *server {
	t.Helper()
	s := start(t, t.TempDir(), keysSetting, "ADMIN_KEY="+topKey)
	stream := bufio.NewReader(s.get(t, context.Background(), "?channels=goal,put:customer").Body)
	for line := ""; !strings.Contains(line, "init"); {
		var err error
		if line, err = stream.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if status, text, err := s.post(`{"event":"goal"}`); err != nil || status != 200 {
			t.Fatal(status, text, err)
		}
	}
	return s
}

// On a terminal, top is a page of its own that follows the gateway. s sorts, p stops the page, q ends it and gives the
// terminal back as it was.
func TestTopOnATerminal(t *testing.T) {
	t.Parallel()
	s := watched(t)
	c := atTerminal(t, []string{"ADMIN_KEY=" + topKey}, "top", "--url", s.url)
	c.sees(t, c.screen, "sluice top   "+s.url, "events in", "3 in all", "connections  1   stream 1   views 1", "0 behind, the slowest 0 ms",
		"of 4.0 GiB [", "3 events", "LAG        AGE  KIND", "key      test", "PUT:customer,goal", "q quit   s sort: lag   p pause")
	if status, text, err := s.post(`{"event":"goal"}`); err != nil || status != 200 {
		t.Fatal(status, text, err)
	}
	c.sees(t, c.screen, "4 in all")
	c.press(t, "\x1b[A") // an arrow is no key of top
	c.press(t, "s")
	c.sees(t, c.screen, "s sort: age")
	c.press(t, "p")
	c.sees(t, c.all, "PAUSED: p goes on")
	if status, text, err := s.post(`{"event":"goal"}`); err != nil || status != 200 {
		t.Fatal(status, text, err)
	}
	run(t, "", []string{"ADMIN_KEY=" + topKey}, "top", "--once", "--url", s.url) // which takes two samples
	c.press(t, "p")
	c.sees(t, c.screen, "5 in all", "p pause")
	for page := range strings.SplitSeq(c.all(), "\x1b[H") {
		if strings.Contains(page, "PAUSED") && strings.Contains(page, "5 in all") {
			t.Error("the page went on while it was stopped")
		}
	}
	c.press(t, "q")
	c.ends(t, 0)
	gatewaytest.Until(t, func() error {
		if all := c.all(); !strings.HasPrefix(all, "\x1b[?1049h\x1b[?25l") || !strings.HasSuffix(all, "\x1b[?25h\x1b[?1049l") {
			return fmt.Errorf("the terminal's own page is not kept: %q … %q", all[:20], all[max(0, len(all)-40):])
		}
		return nil
	})
	after, err := unix.IoctlGetTermios(int(c.slave.Fd()), unix.TCGETS)
	if err != nil || after.Lflag&unix.ECHO == 0 {
		t.Errorf("the terminal has no echo any more: %+v %v", after, err)
	}
}

// While there is no gateway, the page says so and what to do; it goes on when there is one. A wrong key ends it.
func TestTopWithoutAGateway(t *testing.T) {
	t.Parallel()
	s := watched(t)
	c := atTerminal(t, []string{"ADMIN_KEY=" + topKey}, "top", "--url", s.url)
	c.sees(t, c.screen, "3 in all")
	s.stop(t, syscall.SIGKILL)
	c.sees(t, c.all, "no gateway answers at "+s.url)
	c.press(t, "\x03")
	c.ends(t, 0)
	s = start(t, t.TempDir(), keysSetting, "ADMIN_KEY="+topKey)
	c = atTerminal(t, []string{"ADMIN_KEY=another-key-0123456789"}, "top", "--url", s.url)
	c.ends(t, 1)
	c.sees(t, c.all, "this is not ADMIN_KEY", "--key-file", "\x1b[?1049l")
}

// Where the output is no terminal, top prints lines, objects, or the page once.
func TestTopWithoutATerminal(t *testing.T) {
	t.Parallel()
	s := watched(t)
	env := []string{"ADMIN_KEY=" + topKey}
	page, errOut, code := run(t, "", env, "top", "--once", "--url", s.url)
	if code != 0 || errOut != "" || strings.Contains(page, "\x1b") || !strings.Contains(page, "3 in all") || !strings.Contains(page, "PUT:customer,goal") {
		t.Errorf("exit %d, %s\n%s", code, errOut, page)
	}
	text, errOut, code := run(t, "", env, "top", "--once", "--json", "--url", s.url)
	var got struct {
		Gateway     string
		Connections int
		Events      int
		Rate        *float64 `json:"events_per_second"`
		ByKind      any      `json:"connections_by_kind"`
		Memory      struct{ RSS int }
		Log         struct{ Events int }
		Slowest     []struct{ Who, Kind, Channels string }
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || code != 0 || strings.Count(text, "\n") != 1 {
		t.Fatalf("exit %d, %s\n%s %v", code, errOut, text, err)
	}
	if got.Gateway != s.url || got.Connections != 1 || got.Events != 3 || got.Rate == nil || got.Memory.RSS == 0 || got.Log.Events != 3 ||
		fmt.Sprint(got.ByKind) != "map[stream:map[clear:1]]" || fmt.Sprint(got.Slowest) != "[{test key PUT:customer,goal}]" {
		t.Errorf("%+v", got)
	}
	cmd := exec.Command(binary, "top", "--url", s.url)
	cmd.Env = env
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	line := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  connections 1  in \S+/s  out \S+/s  \S+ \w+/s  behind 0  slowest 0 ms  memory \S+ MiB  log \S+ B$`)
	lines := bufio.NewScanner(out)
	for range 2 {
		if !lines.Scan() || !line.MatchString(lines.Text()) {
			t.Errorf("got %q", lines.Text())
		}
	}
	cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"--sort bogus", 2, "must be one of lag, age, who, from, kind"},
		{"--color blue", 2, "must be one of auto, always, never"},
		{"--node b --once", 1, "node"},
	} {
		if _, errOut, code := run(t, "", env, append([]string{"top", "--url", s.url}, strings.Fields(tt.args)...)...); code != tt.code || !strings.Contains(errOut, tt.want) {
			t.Errorf("%s: exit %d, %s", tt.args, code, errOut)
		}
	}
}

// Progress is a line on a terminal that shows the rate, and is gone at the end. It is not there where the ids go to the same
// terminal.
func TestProgressOfPublishing(t *testing.T) {
	t.Parallel()
	s := watched(t)
	var in io.WriteCloser
	c := atTerminal(t, []string{"SLUICE_KEY=" + testKey}, "publish", "--ndjson", "reading", "--url", s.url, func(cmd *exec.Cmd) {
		cmd.Stdin, cmd.Stdout, cmd.SysProcAttr = nil, nil, nil
		var err error
		if in, err = cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
	})
	shown := regexp.MustCompile(`\r\x1b\[K[\d,]+ events, [\d,.]+/s`)
	gatewaytest.Until(t, func() error {
		if _, err := io.WriteString(in, strings.Repeat("1\n", 501)); err != nil { // a batch is published when the next one begins
			return err
		}
		if !shown.MatchString(c.all()) {
			return fmt.Errorf("no progress: %q", c.all())
		}
		return nil
	})
	in.Close()
	c.ends(t, 0)
	c.sees(t, c.all, "\r\x1b[K")
	gatewaytest.Until(t, func() error {
		if text := c.all(); !strings.HasSuffix(text, "\r\x1b[K") {
			return fmt.Errorf("the line stays: %q", text)
		}
		return nil
	})
}
