package index

import (
	"slices"

	"sluice/channel"
)

// table leads from one side of patterns to values.
type table[V any] struct {
	any     V // for the sides that match everything: Open on the left, Some on the right
	hasAny  bool
	exact   map[string]V
	prefix  map[string]V
	lengths []length // of the prefixes in use, ascending
}

type length struct{ length, count int }

func (t *table[V]) find(s channel.Side) (V, bool) {
	switch s.Kind {
	case channel.Exact:
		v, ok := t.exact[s.Text]
		return v, ok
	case channel.Prefix:
		v, ok := t.prefix[s.Text]
		return v, ok
	}
	return t.any, t.hasAny
}

// get returns the value of a side; it makes one if there is none.
func (t *table[V]) get(s channel.Side, make func() V) V {
	v, ok := t.find(s)
	if ok {
		return v
	}
	v = make()
	switch s.Kind {
	case channel.Exact:
		put(&t.exact, s.Text, v)
	case channel.Prefix:
		put(&t.prefix, s.Text, v)
		i, found := slices.BinarySearchFunc(t.lengths, len(s.Text), byLength)
		if !found {
			t.lengths = slices.Insert(t.lengths, i, length{length: len(s.Text)})
		}
		t.lengths[i].count++
	default:
		t.any, t.hasAny = v, true
	}
	return v
}

func byLength(l length, n int) int { return l.length - n }

func put[V any](m *map[string]V, key string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = v
}

func (t *table[V]) remove(s channel.Side) {
	switch s.Kind {
	case channel.Exact:
		delete(t.exact, s.Text)
	case channel.Prefix:
		delete(t.prefix, s.Text)
		i, _ := slices.BinarySearchFunc(t.lengths, len(s.Text), byLength)
		if t.lengths[i].count--; t.lengths[i].count == 0 {
			t.lengths = slices.Delete(t.lengths, i, i+1)
		}
	default:
		var none V
		t.any, t.hasAny = none, false
	}
}

func (t *table[V]) empty() bool { return !t.hasAny && len(t.exact) == 0 && len(t.prefix) == 0 }
