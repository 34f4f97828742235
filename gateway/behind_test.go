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

// Clients are sent away at the first look that finds the gateway behind, and once. They may come back after two seconds without
// a bad look, since a cluster that heals is well for a moment only.
func TestBehind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		looks string // b: behind, w: well, p: it panics
		want  string // when clients were sent away (-) and could come back (+), in looks
	}{
		{"never behind", "wwwwwwwwwwwwwwwwwwww", ""},
		{"behind", "wwbbbbbbb", "-3"},
		{"one look is not enough", "bw", "-1"},
		{"seven looks are not enough", "bwwwwwwwb", "-1"},
		{"back", "bbbwwwwwwww", "-1 +11"},
		{"well now and then", "bwwwwwwwbwwwwwwwbwwbwwwwwwww", "-1 +28"},
		{"again and again", "bwwwwwwwwbwwwwwwwww", "-1 +9 -10 +18"},
		{"all looks count from the last time", "bwwwwwwwwwwbwwwwwwwbwwwwwwww", "-1 +9 -12 +28"},
		{"a look panics", "bpwwwwpwwwwwp", "-1 +11"},
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
