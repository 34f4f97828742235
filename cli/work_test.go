package cli

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestWork: without a terminal, progress is one line every few seconds.
func TestWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		w := newWork(&Streams{Err: &out})
		for n := range int64(12) { // a second each
			w.show("checking keys", n, 24)
			time.Sleep(time.Second)
		}
		w.show("checking documents", 7, 0)
		const want = "sluice: [######........................]  21 % checking keys: 5\n" +
			"sluice: [############..................]  42 % checking keys: 10\n"
		if out.String() != want {
			t.Errorf("got\n%swant\n%s", out.String(), want)
		}
		time.Sleep(workEvery)
		w.show("checking documents", 7, 0)
		if !strings.HasSuffix(out.String(), "sluice: checking documents: 7\n") {
			t.Error(out.String())
		}
	})
}
