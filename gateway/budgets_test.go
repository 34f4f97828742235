package gateway

import (
	"math"
	"testing"
)

// TestBudgets: they are for 1 GiB, and all that they bound together fits into less.
func TestBudgets(t *testing.T) {
	t.Parallel()
	full := newBudgets(MemoryLimit{Bytes: math.MaxInt64})
	if none := newBudgets(MemoryLimit{}); none != full {
		t.Errorf("where nothing is said of a limit: %+v", none)
	}
	if full.ring != 16<<20 || full.cache != 16<<20 || full.memTable != 16<<20 || full.keys != 500_000 || full.rooms != 0 {
		t.Errorf("without a limit: %+v", full)
	}
	if one := newBudgets(MemoryLimit{Bytes: 1 << 30}); one.ring != full.ring || one.queue != full.queue || one.heads != full.heads {
		t.Errorf("with 1 GiB: %+v", one)
	}
	for _, tt := range []struct {
		limit MemoryLimit
		cache int64
	}{
		{MemoryLimit{Bytes: math.MaxInt64, machine: 1 << 30}, 16 << 20},
		{MemoryLimit{Bytes: math.MaxInt64, machine: 2 << 30}, 32 << 20},
		{MemoryLimit{Bytes: math.MaxInt64, machine: 64 << 30}, 64 << 20},
		{MemoryLimit{Bytes: 2 << 30, machine: 64 << 30}, 32 << 20},
		{MemoryLimit{Bytes: 64 << 30, machine: 2 << 30}, 32 << 20},
		{MemoryLimit{Bytes: 256 << 20, machine: 64 << 30}, 8 << 20},
		{MemoryLimit{Bytes: 8 << 30}, 64 << 20},
	} {
		if b := newBudgets(tt.limit); b.cache != tt.cache {
			t.Errorf("%+v: a cache of %d MiB", tt.limit, b.cache>>20)
		}
	}
	for _, limit := range []int64{32 << 20, 64 << 20, 128 << 20, 256 << 20, 512 << 20} {
		b := newBudgets(MemoryLimit{Bytes: limit})
		// What the process has at all times; the rest is held only while clients hold it.
		if own := b.ring + b.cache + 3*b.memTable + b.queue; own > limit/3 {
			t.Errorf("%d MiB: %d MiB for the log and the ring", limit>>20, own>>20)
		}
		if b.ring < 1<<20 || b.cache < 1<<20 || b.memTable < 1<<20 || b.queue < 4<<20 || b.keys < 10_000 {
			t.Errorf("%d MiB: too little to work with: %+v", limit>>20, b)
		}
	}
}
