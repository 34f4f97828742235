package eventlog

import (
	"fmt"
	"testing"
)

// The cache of spaces is bounded by number and by weight. A single space may weigh more.
func TestKnownIsBounded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spaces int
		weight int64 // of each
		want   int   // the most spaces that stay in the cache
	}{
		"many":       {3 * cacheSpaces, 1, cacheSpaces},
		"heavy":      {10, cacheBytes / 4, 4},
		"few":        {10, cacheBytes / 10, 10},
		"one giant":  {1, 2 * cacheBytes, 1},
		"two giants": {2, 2 * cacheBytes, 1},
	} {
		k := newSpaceCache(cacheBytes)
		for i := range tt.spaces {
			k.add(fmt.Sprint(i), &keyedSpace{keys: map[string][]entry{}, weight: tt.weight})
		}
		k.trim()
		if got := len(k.spaces); got != tt.want {
			t.Errorf("%s: %d are known, want %d", name, got, tt.want)
		}
		if want := int64(len(k.spaces)) * tt.weight; k.weight != want {
			t.Errorf("%s: they weigh %d, want %d", name, k.weight, want)
		}
		for space := range k.spaces {
			k.forget(space)
		}
		if k.forget("none"); k.weight != 0 {
			t.Errorf("%s: nothing weighs %d", name, k.weight)
		}
	}
}
