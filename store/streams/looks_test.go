package streams_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/share"
	"sluice/store/streams"
)

// TestLooksTakeTurns: reads of many streams or names run in slots that owners share. While one owner has all slots,
// such reads wait, and reads of one thing do not.
func TestLooksTakeTurns(t *testing.T) {
	t.Parallel()
	c, log := openOn(t, vfs.NewMem())
	defer log.Close()
	must(t, c.Create(t.Context(), "a", ""))
	must(t, try(c, "a", "e", 1))
	reads := map[string]func(ctx context.Context) error{
		"streams": func(ctx context.Context) error {
			return c.Streams(ctx, "a", nil, func(*streams.Stream) error { return nil })
		},
		"namespaces": func(ctx context.Context) error {
			_, err := c.Namespaces(ctx, "a")
			return err
		},
		"a search": func(ctx context.Context) error {
			_, err := c.Position(ctx, "a", nil, "", "s.e")
			return err
		},
	}
	release := c.TakeLooks(share.With(t.Context(), "ann"))
	for name, read := range reads {
		ctx, cancel := context.WithTimeout(share.With(t.Context(), "ben"), 20*time.Millisecond)
		if err := read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	if _, err := c.Position(t.Context(), "a", nil, "s", "e"); err != nil {
		t.Error(err)
	}
	release()
	for name, read := range reads {
		if err := read(share.With(t.Context(), "ben")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
