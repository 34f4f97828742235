package config_test

import (
	"testing"

	"sluice/config"
)

// TestLoadWithin: defaults are lower where there is less memory; what is set stays, and a lowered default causes no fault.
func TestLoadWithin(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		memory          int64
		env             []string
		all, key, most  config.Size
		pending         int
		source, showing string
	}{
		{4 << 30, nil, 256 << 20, 64 << 20, 16 << 20, 1000, "default", "256MiB"},
		{1 << 30, nil, 256 << 20, 64 << 20, 16 << 20, 1000, "default", "256MiB"},
		{256 << 20, nil, 64 << 20, 16 << 20, 4 << 20, 250, "default with 256MiB of memory", "64MiB"},
		{64 << 20, nil, 16 << 20, 4 << 20, 1 << 20, 62, "default with 64MiB of memory", "16MiB"},
		{1 << 20, nil, 1 << 20, 1 << 20, 16 << 10, 8, "default with 1MiB of memory", "1MiB"},
		{64 << 20, []string{"MAX_CLIENT_MEMORY=200MiB"}, 200 << 20, 4 << 20, 1 << 20, 62, "environment", "200MiB"},
		{64 << 20, []string{"MAX_MEMORY_PER_KEY=64MiB"}, 16 << 20, 64 << 20, 1 << 20, 62, "default with 64MiB of memory", "16MiB"},
	} {
		c, err := config.LoadWithin(x.memory, x.env, "")
		if err != nil {
			t.Errorf("%d %v: %v", x.memory, x.env, err)
			continue
		}
		if c.MaxClientMemory != x.all || c.MaxMemoryPerKey != x.key || c.MaxResult != x.most || c.MaxPending != x.pending {
			t.Errorf("%d %v: %v, %v a key, %v a result, %d pending", x.memory, x.env, c.MaxClientMemory, c.MaxMemoryPerKey, c.MaxResult, c.MaxPending)
		}
		if c.RetainBytes != 4<<30 {
			t.Errorf("RETAIN_BYTES is about the disk, but is %v", c.RetainBytes)
		}
		for _, s := range c.Effective() {
			if s.Name == "MAX_CLIENT_MEMORY" && (s.Source != x.source || s.Value != x.showing) {
				t.Errorf("%d %v: shown as %s (%s)", x.memory, x.env, s.Value, s.Source)
			}
		}
	}
}
