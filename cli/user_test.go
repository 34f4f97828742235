package cli_test

import (
	"strings"
	"syscall"
	"testing"
)

// Users of a running gateway are made, listed, changed and removed, also after a restart of it; what goes wrong says what
// to do.
func TestUserCommand(t *testing.T) {
	t.Parallel()
	const admin = "ADMIN_KEY=admin-key-0123456789"
	dir := t.TempDir()
	s := start(t, dir, admin)
	user := func(want int, stdin string, args ...string) (out, errOut string) {
		t.Helper()
		out, errOut, code := run(t, stdin, []string{admin}, append([]string{"user"}, append(args, "--url", s.url)...)...)
		if code != want || strings.Contains(errOut+out, "horse") {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, errOut)
		}
		return out, errOut
	}
	if out, errOut := user(0, "correct horse\r\nanother line", "add", " Ann@Example.org", "--sub", "news,*:messages", "--rest", "get:*", "--rest", "POST:messages"); out != "ann@example.org\n" || errOut != "" {
		t.Error(out, errOut)
	}
	if _, errOut := user(0, "correct horse", "add", "bob@example.org"); !strings.Contains(errOut, "--rest") {
		t.Error(errOut)
	}
	list := func() string {
		t.Helper()
		out, _ := user(0, "", "list")
		return strings.Join(strings.Fields(out), " ")
	}
	const head, ann = "EMAIL ACTIVE SUB PUB REST", " ann@example.org yes *:messages,news - GET:*,POST:messages"
	if got := list(); got != head+ann+" bob@example.org yes - - -" {
		t.Error(got)
	}
	user(0, "another horse\n", "password", "ann@example.org")
	user(0, "", "remove", "bob@example.org")
	s.stop(t, syscall.SIGTERM)
	s = start(t, dir, admin)
	if got := list(); got != head+ann {
		t.Error(got)
	}
	for _, tt := range []struct {
		name  string
		env   []string
		stdin string
		args  []string
		code  int
		want  string
	}{
		{"no admin key", nil, "", []string{"list", "--url", s.url}, 2, "ADMIN_KEY"},
		{"another admin key", []string{"ADMIN_KEY=wrong-wrong-wrong"}, "", []string{"list", "--url", s.url}, 1, "not ADMIN_KEY"},
		{"no gateway", []string{admin}, "", []string{"list", "--url", "http://127.0.0.1:1"}, 1, "is it running"},
		{"no URL", []string{admin}, "", []string{"list", "--url", ":"}, 2, ":"},
		{"no password", []string{admin}, "\n", []string{"add", "carl@example.org", "--url", s.url}, 2, "standard input"},
		{"short password", []string{admin}, "horse", []string{"add", "carl@example.org", "--url", s.url}, 1, "8 to 72"},
		{"no email", []string{admin}, "correct horse", []string{"add", "carl", "--url", s.url}, 1, "ann@example.org"},
		{"there already", []string{admin}, "correct horse", []string{"add", "ann@example.org", "--url", s.url}, 1, "already"},
		{"bad channel", []string{admin}, "correct horse", []string{"add", "carl@example.org", "--sub", "put", "--url", s.url}, 2, "put"},
		{"bad documents", []string{admin}, "correct horse", []string{"add", "carl@example.org", "--rest", "chat", "--url", s.url}, 2, "METHOD:collection"},
		{"unknown", []string{admin}, "correct horse", []string{"password", "carl@example.org", "--url", s.url}, 1, "no such user"},
		{"unknown to remove", []string{admin}, "", []string{"remove", "a/b", "--url", s.url}, 1, "no such user"},
	} {
		if _, errOut, code := run(t, tt.stdin, tt.env, append([]string{"user"}, tt.args...)...); code != tt.code || !strings.Contains(errOut, tt.want) || strings.Contains(errOut, "horse") || strings.Contains(errOut, "wrong-wrong") {
			t.Errorf("%s: exit %d: %s", tt.name, code, errOut)
		}
	}
}
