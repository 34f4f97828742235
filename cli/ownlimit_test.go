package cli_test

import (
	"strings"
	"syscall"
	"testing"
)

// GOMEMLIMIT is kept as it is, and budgets follow it; without a limit nothing is said.
func TestOwnMemoryLimit(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), keysSetting, "GOMEMLIMIT=100MiB", "MAX_MEMORY_PER_KEY=9MiB")
	if err := s.stop(t, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	line := ""
	for l := range strings.SplitSeq(s.log.String(), "\n") {
		if strings.Contains(l, "found a limit of memory") {
			line = l
		}
	}
	for _, want := range []string{"limit=100MiB", "from=GOMEMLIMIT", "runtime=100MiB", "MAX_CLIENT_MEMORY=25MiB", "MAX_MEMORY_PER_KEY=9MiB"} {
		if !strings.Contains(line, want) {
			t.Errorf("%s is not in %q", want, line)
		}
	}
}
