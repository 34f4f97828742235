package logtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/channel"
	"sluice/store/eventlog"
)

const (
	clocksAge   = 5 * time.Minute // retention of the model's space
	answerLife  = 2 * time.Minute
	clocksSpace = channel.RoomSpace + "x"
)

// testClocks: however the system's clock is set, and whatever happens between two runs, ages are the time that has
// passed, ids grow, and an event's time is what the clock showed.
func testClocks(t *testing.T, o Opener) {
	rapid.Check(t, func(t *rapid.T) {
		m := &clocksModel{o: o.Fresh(), clock: NewClock(), keys: map[string]given{}}
		m.config = Config{Source: m.clock.Source(), Retain: func(string) eventlog.Retention { return eventlog.Retention{Age: clocksAge.Microseconds()} }}
		m.open(t)
		defer func() { closeLog(t, m.log) }()
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "publish": m.publish, "publish with a key": m.publishOnce, "repeat": m.repeat, "push": m.push,
			"pause": m.pause, "step": m.step, "sleep": m.sleep, "restart": m.restart,
		})
	})
}

// given is an id, and what the clocks showed when it was given.
type given struct {
	id   uint64
	wall time.Time
	age  time.Duration // by the model's time
}

type clocksModel struct {
	o      Opener
	clock  *Clock
	config Config
	log    *eventlog.Log
	engine eventlog.Engine

	passed time.Duration // what the wall clock added between boots to the time that has elapsed
	last   uint64
	events []given
	keys   map[string]given
	pushed *given
}

func (m *clocksModel) open(t TB) {
	m.log, m.engine = open(t, m.o, m.config)
	if m.log.Settled() <= m.last {
		t.Fatalf("the run begins at %d, the last id was %d", m.log.Settled(), m.last)
	}
	m.last = m.log.Settled()
}

// now is the age of all, as far as it can be known.
func (m *clocksModel) now() time.Duration { return m.clock.Elapsed() + m.passed }

func (m *clocksModel) took(t TB, id uint64) given {
	if id <= m.last {
		t.Fatalf("id %d after %d", id, m.last)
	}
	m.last = id
	return given{id, m.clock.Now(), m.now()}
}

func (m *clocksModel) publish(t *rapid.T) {
	n := rapid.IntRange(1, 5).Draw(t, "events")
	events := make([]eventlog.Event, n)
	for i := range events {
		events[i] = event("a", "", "")
	}
	first := put(t, m.log, events...)
	for i := range n {
		m.events = append(m.events, m.took(t, first+uint64(i)))
	}
}

func (m *clocksModel) publishOnce(t *rapid.T) {
	key := fmt.Sprint("k", len(m.keys))
	first, replay, err := publish(m.log, "me", key, bodyA)
	if err != nil || replay {
		t.Fatalf("%s: replay %v, %v", key, replay, err)
	}
	m.keys[key] = m.took(t, first)
	m.events = append(m.events, m.keys[key], m.took(t, first+1))
}

// repeat repeats a publish. Within two minutes it gets the first answer, later never.
func (m *clocksModel) repeat(t *rapid.T) {
	if len(m.keys) == 0 {
		return
	}
	key := fmt.Sprint("k", rapid.IntRange(0, len(m.keys)-1).Draw(t, "key"))
	was := m.keys[key]
	age := m.now() - was.age
	first, replay, err := publish(m.log, "me", key, bodyA)
	const slack = 100 * time.Millisecond // for ids ahead of the clock, and for a sleep that is too short to count
	switch {
	case err != nil:
		t.Fatal(err)
	case replay && (first != was.id || age > answerLife+slack):
		t.Fatalf("%s: the answer %d was given to a repeat after %s, the first was %d", key, first, age, was.id)
	case !replay && age < answerLife-slack:
		t.Fatalf("%s: a repeat after %s published again", key, age)
	case !replay:
		m.keys[key] = m.took(t, first)
		m.events = append(m.events, m.keys[key], m.took(t, first+1))
	}
}

func (m *clocksModel) push(t *rapid.T) {
	if m.pushed == nil {
		MakeKeyed(t, m.log, clocksSpace)
	}
	id := put(t, m.log, eventlog.Event{Space: clocksSpace, Name: "push", Op: eventlog.Append, Key: "k", Data: []byte("1")})
	g := m.took(t, id)
	m.pushed = &g
}

func (m *clocksModel) pause(t *rapid.T) {
	m.clock.Add(time.Duration(rapid.Int64Range(0, int64(90*time.Second)).Draw(t, "paused")))
}

// step sets the clock, as somebody does from time to time.
func (m *clocksModel) step(t *rapid.T) {
	m.clock.Add(time.Second)
	m.clock.Step(steps(t))
}

func steps(t *rapid.T) time.Duration {
	unit := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Hour, 24 * time.Hour}).Draw(t, "unit")
	return time.Duration(rapid.IntRange(-600, 600).Draw(t, "stepped")) * unit
}

// sleep suspends the machine. The engine's keeper or the committer counts the sleep, whichever looks first. The
// committer does so only if the wall clock is away from its mark.
func (m *clocksModel) sleep(t *rapid.T) {
	m.clock.Sleep(time.Duration(rapid.Int64Range(int64(2*time.Second), int64(3*time.Minute)).Draw(t, "asleep")))
	clock := m.log.Clock()
	off := m.clock.Now().Sub(clock.Time(clock.Now()))
	if rapid.Bool().Draw(t, "publish first") && (off > time.Second || off < -time.Second) {
		m.publish(t)
		return
	}
	clock.Wake()
}

// restart lets time pass and the clock be set between two runs, of one boot or of two. Between two boots the wall clock
// says how long it was, but never less than zero.
func (m *clocksModel) restart(t *rapid.T) {
	if !m.o.Durable() {
		return
	}
	closeLog(t, m.log)
	before, wall := m.now(), m.clock.Now()
	m.clock.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Minute)).Draw(t, "off")))
	if rapid.Bool().Draw(t, "set meanwhile") {
		m.clock.Step(steps(t))
	}
	if rapid.Bool().Draw(t, "another boot") {
		m.clock.Boot()
		m.passed += before + max(0, m.clock.Now().Sub(wall)) - m.now()
	}
	m.open(t)
}

// check reads everything. Events over the age are gone, all others exist, and times are right.
func (m *clocksModel) check(t *rapid.T) {
	const slack = 100 * time.Millisecond
	there := map[uint64]bool{}
	for _, e := range all(t, m.log, everything(""), 0, 1000) {
		there[e.ID] = true
	}
	for _, e := range m.events {
		age := m.now() - e.age
		if there[e.id] && age > clocksAge+slack || !there[e.id] && age < clocksAge-slack {
			t.Fatalf("event %d is %s old, there: %v", e.id, age, there[e.id])
		}
		// The engine's keeper may have dropped expired events, and their marks with them.
		if off := m.log.Clock().Time(e.id).Sub(e.wall); there[e.id] && (off > time.Second || off < -time.Second) {
			t.Fatalf("event %d has the time %s, the clock showed %s", e.id, m.log.Clock().Time(e.id), e.wall)
		}
	}
	m.checkPlaces(t, there)
	if m.pushed == nil {
		return
	}
	s, there1, err := m.log.KeyedSpace(clocksSpace)
	if err != nil || !there1 {
		t.Fatalf("the space of keyed events: %v %v", there1, err)
	}
	if got, want := m.log.Clock().Age(s.Last), m.now()-m.pushed.age; got < want-slack || got > want+slack {
		t.Fatalf("the last push was %s ago; its age is %s", want, got)
	}
	if n, err := m.log.Keyed(context.Background(), clocksSpace, nil, func(eventlog.Event) error { return nil }); err != nil || n == 0 {
		t.Fatal(n, err)
	}
}

// checkPlaces: Clock.Place gives the first id at or after a time. No event of that time has an earlier id.
func (m *clocksModel) checkPlaces(t TB, there map[uint64]bool) {
	clock := m.log.Clock()
	for _, of := range m.events {
		at := clock.Time(of.id)
		place := clock.Place(at)
		if clock.Time(place).Before(at) {
			t.Fatalf("the place of %s is %d, which is of %s", at, place, clock.Time(place))
		}
		for _, e := range m.events {
			if there[e.id] && e.id < place && !clock.Time(e.id).Before(at) {
				t.Fatalf("the place of %s is %d, behind event %d of %s", at, place, e.id, clock.Time(e.id))
			}
		}
	}
}
