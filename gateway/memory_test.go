package gateway

import "testing"

// Memory is returned after a crowd and after much work, once, and not while they go on.
func TestMoment(t *testing.T) {
	t.Parallel()
	type look struct {
		streams     int
		collections uint64
		over        bool
	}
	for name, looks := range map[string][]look{
		"few clients":          {{40, 0, false}, {40, 0, false}},
		"a small crowd":        {{60, 0, false}, {60, 0, true}, {60, 0, false}},
		"it goes":              {{60, 0, false}, {60, 0, true}, {0, 0, false}, {0, 0, true}, {0, 0, false}},
		"it still comes":       {{60, 0, false}, {120, 0, false}, {180, 0, false}, {181, 0, true}},
		"some of many":         {{5000, 0, false}, {5000, 0, true}, {5400, 0, false}, {5400, 0, false}, {5700, 0, false}, {5700, 0, true}},
		"a thousand of a lot":  {{100_000, 0, false}, {100_000, 0, true}, {100_999, 0, false}, {100_999, 0, false}, {101_000, 0, true}},
		"a little work":        {{0, 9, false}, {0, 9, false}},
		"much work":            {{0, 10, false}, {0, 10, true}, {0, 11, false}, {0, 11, false}},
		"work that goes on":    {{0, 10, false}, {0, 20, false}, {0, 30, false}, {0, 30, true}},
		"more after some time": {{0, 10, false}, {0, 10, true}, {0, 20, false}, {0, 21, false}, {0, 21, true}},
	} {
		m := newMoment(0, 0)
		for i, l := range looks {
			over := m.over(l.streams, l.collections)
			if over != l.over {
				t.Errorf("%s, look %d: %v", name, i, over)
			}
			if over {
				m.freed(l.collections)
			}
		}
	}
}
