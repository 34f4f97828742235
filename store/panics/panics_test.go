package panics_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"sluice/store/panics"
)

// TestContain: a step that panics is logged with its stack, and the work goes on.
func TestContain(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	log, done := slog.New(slog.NewTextHandler(&text, nil)), 0
	for i := range 3 {
		func() {
			defer panics.Contain(log, "counting")
			if i == 1 {
				panic("in a step")
			}
			done++
		}()
	}
	for _, want := range []string{"step=counting", "in a step", "panics_test.go"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in the log: %s", want, &text)
		}
	}
	if done != 2 || strings.Count(text.String(), "\n") != 1 {
		t.Errorf("%d steps were done, and the log has %q", done, &text)
	}
}
