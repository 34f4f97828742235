package cli_test

import (
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// tailed starts a gateway that has a few events, one of them by somebody who means no good.
func tailed(t *testing.T) *server {
	t.Helper()
	s := start(t, t.TempDir(), keysSetting)
	for _, body := range []string{
		`{"event":"put","collection":"customer","data":{"name": "Ann",` + "\n" + `"n":12345678901234567890}}`,
		`{"event":"order","stream":"orders","data":[1,2]}`,
		"{\"event\":\"evil\",\"data\":\"\u009b2J\u202e\\u001b[31m\x7f\"}",
		`{"event":"none"}`,
	} {
		if status, text, err := s.post(body); err != nil || status != 200 {
			t.Fatal(status, text, err)
		}
	}
	return s
}

var clockTime = regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{3}`)

// anyTime puts one time in the place of all.
func anyTime(text string) string {
	text = regexp.MustCompile(`(?m)^(\S*)-- \w+, \d+ \w+ \d+ \(\S+\)`).ReplaceAllString(text, "$1-- DAY")
	return clockTime.ReplaceAllString(text, "TIME")
}

func TestTail(t *testing.T) {
	t.Parallel()
	s := tailed(t)
	const evil = `TIME  evil  "\u009b2J\u202e\u001b[31m\u007f"` + "\n"
	for _, tt := range []struct{ args, want string }{
		{"--since earliest", "-- DAY\nTIME  PUT:customer  {\"name\":\"Ann\",\"n\":12345678901234567890}\nTIME  order  stream orders  [1,2]\n" + evil + "TIME  none  null\n"},
		{"--since 1h --pretty PUT:* order", "-- DAY\nTIME  PUT:customer\n    {\n      \"name\": \"Ann\",\n      \"n\": 12345678901234567890\n    }\nTIME  order  stream orders\n    [\n      1,\n      2\n    ]\n"},
		{"--since -1", "-- DAY\nTIME  none  null\n"},
		{"--since earliest --channels PUT:customer order --limit 1 --utc", "-- DAY\nTIME  PUT:customer  {\"name\":\"Ann\",\"n\":12345678901234567890}\n"},
		{"--stream orders", "-- DAY\nTIME  order  stream orders  [1,2]\n"},
		{"--since earliest --types evil", "-- DAY\n" + evil},
		{"--since earliest --types order --color always", "\x1b[2m-- DAY\x1b[0m\n\x1b[2mTIME\x1b[0m  \x1b[1;36morder\x1b[0m  \x1b[2mstream orders\x1b[0m  [1,2]\n"},
		{"--since earliest nothing", ""},
	} {
		args := append([]string{"tail", "--url", s.url, "--until", "caught-up"}, strings.Fields(tt.args)...)
		out, errOut, code := run(t, "", []string{"SLUICE_KEY=" + testKey}, args...)
		if code != 0 || anyTime(out) != tt.want {
			t.Errorf("%s: exit %d, %s\ngot\n%q\nwant\n%q", tt.args, code, errOut, anyTime(out), tt.want)
		}
	}
	// --json is what subscribe --json prints.
	key := []string{"SLUICE_KEY=" + testKey}
	want, _, _ := run(t, "", key, "subscribe", "--json", "--from", "earliest", "--until", "caught-up", "--url", s.url)
	if got, errOut, code := run(t, "", key, "tail", "--json", "--since", "earliest", "--until", "caught-up", "--url", s.url); code != 0 || got != want || strings.Count(got, "\n") != 4 {
		t.Errorf("exit %d, %s\n%s\n%s", code, errOut, got, want)
	}
	for _, tt := range []struct {
		env  string
		args string
		code int
		want string
	}{
		{"SLUICE_KEY=" + testKey, "--color blue", 2, "--color=blue: must be one of auto, always, never"},
		{"SLUICE_KEY=" + testKey, "--since yesterday", 2, "sluice: --since=yesterday: must be a time ago such as 10m or 24h, a time such as 2026-11-20T13:22:01Z, an id, earliest, now, or -N for the last N events\n"},
		{"SLUICE_KEY=" + testKey, "--since=-5m", 2, "--since=-5m: must be"},
		{"SLUICE_KEY=" + testKey, "--since -1 --until=caught-up", 0, ""},
		{"SLUICE_KEY=" + testKey, "--since 2020-01-01T00:00:00+02:00 --until=caught-up", 0, ""},
		{"SLUICE_KEY=" + testKey, "--since 7 --until=caught-up", 0, ""},
		{"SLUICE_KEY=" + testKey, "--since 2h30m --until=caught-up", 0, ""},
		{"SLUICE_KEY=wrong-wrong", "", 1, "SLUICE_KEY"},
	} {
		if _, errOut, code := run(t, "", []string{tt.env}, append([]string{"tail", "--url", s.url}, strings.Fields(tt.args)...)...); code != tt.code || !strings.Contains(errOut, tt.want) {
			t.Errorf("%s: exit %d, %s", tt.args, code, errOut)
		}
	}
}

// Missing events are shown as what they are. The gateway gives a gap for an id of its future.
func TestTailShowsGaps(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), keysSetting, "RETAIN_BYTES=64KiB")
	big := fmt.Sprintf(`{"event":"big","data":"%s"}`, strings.Repeat("x", 30000))
	first := ""
	for i := range 40 {
		status, text, err := s.post(big)
		if err != nil || status != 200 {
			t.Fatal(status, text, err)
		}
		if i == 0 {
			first = field(text, "id")
		}
	}
	out, errOut, code := run(t, "", []string{"SLUICE_KEY=" + testKey}, "tail", "--url", s.url, "--since", first, "--until", "caught-up", "--color", "always")
	if code != 0 || !strings.HasPrefix(out, "\x1b[1;31m!! events are missing here (expired), after the id ") || !strings.Contains(out, "; the oldest that the log has is ") {
		t.Errorf("exit %d, %s\n%.300s", code, errOut, out)
	}
}

// On a terminal, tail has colours, unless NO_COLOR is set or the terminal has none; events arrive live, and the connection is
// reported. Nothing that a client has published reaches the terminal as a command.
func TestTailOnATerminal(t *testing.T) {
	t.Parallel()
	s := tailed(t)
	for _, tt := range []struct {
		env   string
		color bool
	}{{"A=b", true}, {"NO_COLOR=1", false}, {"TERM=dumb", false}} {
		c := atTerminal(t, []string{"SLUICE_KEY=" + testKey, tt.env}, "tail", "--url", s.url)
		c.sees(t, c.all, "connected to "+s.url)
		if status, text, err := s.post("{\"event\":\"evil\",\"data\":\"\u009b2J\u202e\"}"); err != nil || status != 200 {
			t.Fatal(status, text, err)
		}
		c.sees(t, c.all, `"\u009b2J\u202e"`)
		if text := c.all(); strings.Contains(text, "\x1b[") != tt.color || strings.ContainsAny(text, "\u009b\u202e") {
			t.Errorf("%s: %q", tt.env, text)
		}
		c.press(t, "\x03")
		c.ends(t, 0)
	}
}

// On a terminal, subscribe is harmless too.
func TestSubscribeOnATerminal(t *testing.T) {
	t.Parallel()
	s := tailed(t)
	c := atTerminal(t, []string{"SLUICE_KEY=" + testKey}, "subscribe", "--from", "earliest", "--until", "caught-up", "--url", s.url)
	c.ends(t, 0)
	c.sees(t, c.all, `"\u009b2J\u202e\u001b[31m\u007f"`)
	if text := c.all(); strings.ContainsAny(text, "\u009b\u202e\x7f") {
		t.Errorf("%q", text)
	}
}

// refuseTwice takes the gateway's address until two connections have come, and answers neither.
func refuseTwice(t *testing.T, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for range 2 {
		connection, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		connection.Close()
	}
}

// When the gateway is gone, tail says so once, and goes on when it is there again.
func TestTailComesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir, keysSetting)
	c := atTerminal(t, []string{"SLUICE_KEY=" + testKey}, "tail", "--url", s.url)
	c.sees(t, c.all, "connected to "+s.url)
	s.stop(t, syscall.SIGKILL)
	c.sees(t, c.all, "trying until it is there")
	refuseTwice(t, strings.TrimPrefix(s.url, "http://"))
	again := startCommand(t, exec.Command(binary, "serve"), dir, keysSetting, "ADDR="+strings.TrimPrefix(s.url, "http://"))
	if status, text, err := again.post(`{"event":"later"}`); err != nil || status != 200 {
		t.Fatal(status, text, err)
	}
	c.sees(t, c.all, "later")
	if n := strings.Count(c.all(), "trying until it is there"); n != 1 {
		t.Errorf("it said so %d times: %s", n, c.all())
	}
}
