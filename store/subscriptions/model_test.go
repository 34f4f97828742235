package subscriptions

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
)

// TestNamesModel: gateways of one log agree on names. One that was used less than Life ago is there, one that was not used
// for Gone is not, and no use depends on the gateway.
func TestNamesModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		clock := logtest.NewClock()
		log, err := eventlog.Open(memory.Open(memory.Options{Source: clock.Source()}), eventlog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m := &namesModel{clock: clock, names: map[string]*modelName{}}
		for range 2 {
			s, err := Open(Options{Log: log, Logger: slog.New(slog.DiscardHandler), Bytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			m.stores = append(m.stores, s)
		}
		defer func() {
			for _, s := range m.stores {
				s.Close()
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		}()
		t.Repeat(map[string]func(*rapid.T){"name": m.name, "use": m.use, "release": m.release, "pause": m.pause})
	})
}

type namesModel struct {
	clock  *logtest.Clock
	stores []*Store
	names  map[string]*modelName
	open   []modelUse
}

type modelName struct {
	of, list string
	last     time.Duration // the last use
	open     int
}

type modelUse struct {
	name    *modelName
	release func()
}

func (m *namesModel) store(t *rapid.T) *Store { return rapid.SampledFrom(m.stores).Draw(t, "store") }

func (m *namesModel) name(t *rapid.T) {
	of, list := rapid.SampledFrom([]string{"k", "l"}).Draw(t, "owner"), rapid.SampledFrom([]string{"a", "a,b"}).Draw(t, "list")
	name, err := m.store(t).Name(background, of, list)
	if err != nil {
		t.Fatal(err)
	}
	one := m.names[name]
	if one == nil {
		one = &modelName{of: of, list: list}
		m.names[name] = one
	}
	if one.of != of || one.list != list {
		t.Fatalf("%s is of %v, and of %s %s", name, one, of, list)
	}
	one.last = m.clock.Elapsed()
}

func (m *namesModel) use(t *rapid.T) {
	if len(m.names) == 0 {
		return // nothing to use
	}
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(m.names))).Draw(t, "name")
	one, s, now := m.names[name], m.store(t), m.clock.Elapsed()
	if _, _, err := s.Use(background, one.of+"x", name); !errors.Is(err, ErrUnknown) {
		t.Fatalf("another owner: %v", err)
	}
	list, release, err := s.Use(background, one.of, name)
	idle := now - one.last
	switch {
	case errors.Is(err, ErrUnknown) && one.open == 0 && idle >= Life:
		return
	case err != nil:
		t.Fatalf("%v, after %s, open %d", err, idle, one.open)
	case one.open == 0 && idle > Gone:
		t.Fatalf("it is there after %s", idle)
	case list != one.list:
		t.Fatalf("%s, want %s", list, one.list)
	}
	one.last = now
	one.open++
	m.open = append(m.open, modelUse{one, release})
}

func (m *namesModel) release(t *rapid.T) {
	if len(m.open) == 0 {
		return // nothing to release
	}
	i := rapid.IntRange(0, len(m.open)-1).Draw(t, "use")
	u := m.open[i]
	m.open = append(m.open[:i:i], m.open[i+1:]...)
	u.release()
	u.name.open--
	u.name.last = m.clock.Elapsed()
}

// pause lets time pass. Gateways look every minute, each at its own moment.
func (m *namesModel) pause(t *rapid.T) {
	for range rapid.IntRange(1, 30).Draw(t, "minutes") {
		for _, s := range m.stores {
			m.clock.Add(lookEvery / time.Duration(len(m.stores)))
			s.look()
		}
	}
}
