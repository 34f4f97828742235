package memory

import (
	"context"
	"slices"
	"strings"

	"github.com/tidwall/btree"

	"sluice/store/eventlog"
)

func (m *Engine) dropRows(prefix string) {
	var keys []string
	m.rows.Ascend(prefix, func(key string, _ []byte) bool {
		if !strings.HasPrefix(key, prefix) {
			return false
		}
		keys = append(keys, key)
		return true
	})
	for _, key := range keys {
		m.setRow(key, nil)
	}
}

func (m *Engine) setRow(key string, value []byte) {
	if value == nil {
		if was, there := m.rows.Delete(key); there {
			m.addPinned(-rowSize(key, was))
		}
		return
	}
	grown := rowSize(key, value)
	if was, there := m.rows.Set(key, slices.Clone(value)); there {
		grown -= rowSize(key, was)
	}
	m.addPinned(grown)
}

func rowSize(key string, value []byte) int64 { return int64(overhead + len(key) + len(value)) }

// addPinned counts bytes of rows and entries, which are never dropped to make room.
func (m *Engine) addPinned(n int64) {
	m.pinned += n
	m.bytes += n
}

// growth is the most that pinned can grow by a request. Entries that its keyed events remove are not subtracted.
func (m *Engine) growth(g *eventlog.Request) (n int64) {
	for i := range g.Events {
		if e := &g.Events[i]; e.Op != 0 && e.Entry() {
			n += size(e)
		}
	}
	for _, r := range g.Rows {
		if r.Value != nil {
			n += rowSize(r.Key, r.Value)
		}
		if was, there := m.rows.Get(r.Key); there {
			n -= rowSize(r.Key, was)
		}
	}
	return n
}

// Row is the value of a row.
func (m *Engine) Row(key string) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	v, _ := m.rows.Get(key)
	return slices.Clone(v), nil
}

// Rows calls f for each row whose key begins with prefix, without the engine's lock.
func (m *Engine) Rows(prefix string, f func(eventlog.Row) error) error {
	var err error
	m.view().rows.Ascend(prefix, func(key string, value []byte) bool {
		if !strings.HasPrefix(key, prefix) {
			return false
		}
		err = f(eventlog.Row{Key: key, Value: slices.Clone(value)})
		return err == nil
	})
	return err
}

// View shows a copy of the tree. The copy shares every node that neither side changes.
func (m *Engine) View(_ context.Context, f func(eventlog.View) error) error { return f(m.view()) }

func (m *Engine) view() *view {
	m.mu.Lock() // Copy writes to both
	defer m.mu.Unlock()
	return &view{rows: m.rows.Copy(), position: m.stored.Last}
}

type view struct {
	rows     *btree.Map[string, []byte]
	position uint64
}

func (v *view) Position() uint64 { return v.position }

func (v *view) Row(key string) ([]byte, error) {
	value, _ := v.rows.Get(key)
	return slices.Clone(value), nil
}

func (v *view) Scan(from, to string, backwards bool, f func(key, value []byte) (bool, error)) error {
	var err error
	step := func(key string, value []byte) bool {
		if backwards && key >= to {
			return true
		}
		if key < from || key >= to {
			return false
		}
		var on bool
		on, err = f([]byte(key), value)
		return on && err == nil
	}
	if backwards {
		v.rows.Descend(to, step)
	} else {
		v.rows.Ascend(from, step)
	}
	return err
}
