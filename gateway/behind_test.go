package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Clients are sent away at the first look that finds the gateway behind, and once. They may come back after four looks in a row
// that find it well, since a cluster that heals is well for a moment only.
func TestBehind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		looks string // b: behind, w: well, p: it panics
		want  string // when clients were sent away (-) and could come back (+), in looks
	}{
		{"never behind", "wwwwwwwwww", ""},
		{"behind", "wwbbbbbbb", "-3"},
		{"one look is not enough", "bw", "-1"},
		{"three looks are not enough", "bwwwb", "-1"},
		{"back", "bbbwwww", "-1 +7"},
		{"well now and then", "bwwwbwwwbwwbwwww", "-1 +16"},
		{"again and again", "bwwwwbwwww", "-1 +5 -6 +10"},
		{"four looks count from the last time", "bwwwwwwbwwwbwwww", "-1 +5 -8 +16"},
		{"a look panics", "bpwwpwwwwp", "-1 +7"},
	} {
		synctest.Test(t, func(t *testing.T) {
			began, did := time.Now(), []string{}
			look := func() int { return int(time.Since(began) / behindEvery) }
			ctx, end := context.WithCancel(t.Context())
			b := behind{
				health: func() error {
					n := look()
					if n >= len(c.looks) {
						end()
					}
					switch c.looks[n-1] {
					case 'b':
						return errors.New("behind")
					case 'p':
						panic("in a look")
					}
					return nil
				},
				leave: func(error) { did = append(did, fmt.Sprintf("-%d", look())) },
				back:  func() { did = append(did, fmt.Sprintf("+%d", look())) },
				log:   slog.New(slog.DiscardHandler),
			}
			b.watch(ctx)
			if got := strings.Join(did, " "); got != c.want {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
			if took := look(); took != len(c.looks) {
				t.Errorf("%s: %d looks, want %d", c.name, took, len(c.looks))
			}
		})
	}
}
