package peers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice/cluster/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every node lists all nodes with what they said last. A node alone is the majority.
func TestList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		a := join(t, &net, "a", 1)
		if got := brief(a); got != "a*" || !a.Majority() {
			t.Errorf("alone: %q, majority %v", got, a.Majority())
		}
		c := join(t, &net, "c", 3)
		time.Sleep(500 * time.Millisecond)
		b := join(t, &net, "b", 2)
		time.Sleep(1500 * time.Millisecond)
		for m, want := range map[*member]string{a: "a* b c", b: "a b* c", c: "a b c*"} {
			if got := brief(m); got != want {
				t.Errorf("%q, want %q", got, want)
			}
			if nodes, away := m.Counts(); nodes != 3 || away != 0 {
				t.Errorf("%d nodes, %d away", nodes, away)
			}
		}
		list := a.List()
		one := list[1]
		if one.Version != "v-b" || one.Place != 2 || !one.Ready || one.Origin != 2 || one.ClockOff != 0 {
			t.Errorf("b said %+v", one)
		}
		if one.Seen != 500*time.Millisecond || list[0].Seen != 0 || list[0].Version != "v-a" {
			t.Errorf("seen: %v, %v, %q", one.Seen, list[0].Seen, list[0].Version)
		}
	})
}

// A silent node is away after 3 s, and forgotten after 10 minutes. One that closes is forgotten at once.
func TestAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		a, b, c := join(t, &net, "a", 1), join(t, &net, "b", 2), join(t, &net, "c", 3)
		expect := func(what, atA string, majorityA bool, atC string, majorityC bool) {
			t.Helper()
			if got := brief(a); got != atA || a.Majority() != majorityA {
				t.Errorf("%s: a has %q, majority %v", what, got, a.Majority())
			}
			if got := brief(c); got != atC || c.Majority() != majorityC {
				t.Errorf("%s: c has %q, majority %v", what, got, c.Majority())
			}
		}
		time.Sleep(1100 * time.Millisecond)
		expect("all", "a* b c", true, "a b c*", true)
		c.port.setCut(true)
		time.Sleep(2500 * time.Millisecond)
		expect("before 3 s", "a* b c", true, "a b c*", true)
		time.Sleep(time.Second)
		expect("c is cut off", "a* b c(away)", true, "a(away) b(away) c*", false)
		if _, away := a.Counts(); away != 1 || a.said("is silent") != 1 {
			t.Errorf("%d away; logged: %s", away, a.logs())
		}
		c.port.setCut(false)
		time.Sleep(time.Second)
		expect("c is back", "a* b c", true, "a b c*", true)
		b.Close()
		expect("b left", "a* c", true, "a c*", true)
		c.port.setCut(true)
		time.Sleep(10*time.Minute - 2*time.Second)
		expect("one of two is not most of them", "a* c(away)", false, "a(away) c*", false)
		time.Sleep(4 * time.Second)
		expect("forgotten", "a*", true, "c*", true)
		if a.said("is silent") != 2 || a.said("is back") != 1 || a.said("has left") != 1 {
			t.Errorf("logged: %s", a.logs())
		}
	})
}

// A node that is killed and starts again at once is one node with a new origin.
func TestRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		a, b := join(t, &net, "a", 1), join(t, &net, "b", 2)
		time.Sleep(1500 * time.Millisecond)
		b.kill()
		b = join(t, &net, "b", 20)
		time.Sleep(5 * time.Second)
		if got := brief(a); got != "a* b" || a.List()[1].Origin != 20 || a.Err() != nil || b.Err() != nil {
			t.Errorf("%q %+v %v %v", got, a.List()[1], a.Err(), b.Err())
		}
		if a.said("is back") != 1 || a.said("one name") != 0 {
			t.Errorf("logged: %s", a.logs())
		}
	})
}

// A node does not start while another has its name. The error tells the cure.
func TestSameNameAtStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		a := join(t, &net, "a", 1)
		_, err := peers.Open(t.Context(), options(net.port(), "a", 2, &lines{}))
		if err == nil || !strings.Contains(err.Error(), "CLUSTER_NODE") || !strings.Contains(err.Error(), `"a"`) {
			t.Errorf("%v", err)
		}
		a.Close()
		join(t, &net, "a", 3)
	})
}

// Nodes with one name that could not hear each other at their start find out later: they, and all others.
func TestSameNameLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		watcher, first := join(t, &net, "w", 1), join(t, &net, "a", 2)
		away := net.port()
		away.setCut(true)
		time.Sleep(100 * time.Millisecond)
		second := joinBy(t, away, "a", 3)
		time.Sleep(time.Second)
		if first.Err() != nil || second.Err() != nil {
			t.Errorf("before they meet: %v, %v", first.Err(), second.Err())
		}
		away.setCut(false)
		time.Sleep(5 * time.Second)
		for _, m := range []*member{first, second} {
			if err := m.Err(); err == nil || !strings.Contains(err.Error(), "CLUSTER_NODE") {
				t.Errorf("%v", err)
			}
			if got := brief(m); got != "a*(twice) w" || m.said("level=ERROR") != 1 {
				t.Errorf("%q; logged: %s", got, m.logs())
			}
		}
		if got := brief(watcher); got != "a(twice) w*" || watcher.said("level=ERROR") != 1 || watcher.Err() != nil {
			t.Errorf("%q; logged: %s", got, watcher.logs())
		}
		second.Close()
		time.Sleep(4 * time.Second)
		if got := brief(watcher); got != "a w*" || first.Err() != nil {
			t.Errorf("after one has left: %q, %v", got, first.Err())
		}
	})
}

// said is a beat of a node that the test speaks for.
type said struct {
	Node    string    `json:"node"`
	Origin  uint64    `json:"origin"`
	Number  uint64    `json:"number"`
	Started time.Time `json:"started"`
	Sent    time.Time `json:"sent"`
}

func (s said) send(t *testing.T, p *port) {
	t.Helper()
	text, err := json.Marshal(s)
	if err == nil {
		err = p.Publish("peers.beat", text)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A clock that differs by more than 30 s is warned of once an hour.
func TestClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		a, other := join(t, &net, "a", 1), net.port()
		var number uint64
		beats := func(n int, off time.Duration) {
			for range n {
				number++
				said{"b", 2, number, time.Time{}, time.Now().Add(off)}.send(t, other)
				time.Sleep(time.Second)
			}
		}
		for _, one := range []struct {
			beats  int
			off    time.Duration
			warned int // since the start
		}{
			{5, 30 * time.Second, 0}, {5, -31 * time.Second, 1}, {3700, 31 * time.Second, 2}, {3700, 0, 2},
		} {
			beats(one.beats, one.off)
			if got := a.said("NTP"); got != one.warned || a.List()[1].ClockOff != one.off {
				t.Errorf("%v: warned %d times, want %d; shown %v", one.off, got, one.warned, a.List()[1].ClockOff)
			}
		}
	})
}

// An old beat that comes again does not make a node look alive.
func TestRepeatedBeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		a, other := join(t, &net, "a", 1), net.port()
		old := said{"b", 2, 7, time.Time{}, time.Now()}
		for range 4 {
			old.send(t, other)
			time.Sleep(time.Second)
		}
		if got := brief(a); got != "a* b(away)" {
			t.Errorf("%q", got)
		}
	})
}

// No more than 64 nodes are kept. One that is away makes place for a new one, the oldest first.
func TestBoundOfNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		a, other := join(t, &net, "a", 1), net.port()
		for i := range 100 {
			said{fmt.Sprintf("b%03d", i), 2, 1, time.Time{}, time.Now()}.send(t, other)
			time.Sleep(time.Millisecond)
		}
		if list := a.List(); len(list) != 64 || list[63].Node != "b062" || a.said("too many") != 1 {
			t.Errorf("%d nodes, the last is %q; logged: %s", len(list), list[len(list)-1].Node, a.logs())
		}
		time.Sleep(4 * time.Second)
		said{"c", 2, 1, time.Time{}, time.Now()}.send(t, other)
		if list := a.List(); len(list) != 64 || list[63].Node != "c" || list[1].Node != "b001" {
			t.Errorf("%d nodes, %q to %q", len(list), list[1].Node, list[len(list)-1].Node)
		}
	})
}

// A node goes on after a panic of State, and without a connection.
func TestTroubleWithBeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		a, b, panics := join(t, &net, "a", 1), &member{log: &lines{}, port: net.port()}, 0
		var err error
		if b.Peers, err = peers.Open(t.Context(), options(b.port, "b", 2, b.log)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		time.Sleep(3 * time.Second)
		if atA, atB := brief(a), brief(b); atA != "a*" || atB != "a b*" {
			t.Errorf("before Start: %q, %q", atA, atB)
		}
		b.Start(func() peers.State {
			if panics++; panics == 2 {
				panic("in State")
			}
			return state("b", 2)
		})
		time.Sleep(10 * time.Second)
		if got := brief(a); got != "a* b" || b.said("in State") != 1 {
			t.Errorf("%q; logged: %s", got, b.logs())
		}
		b.port.setFail(errors.New("no connection"))
		time.Sleep(5 * time.Second)
		if got := brief(a); got != "a* b(away)" {
			t.Errorf("%q", got)
		}
		if answers := b.Ask(t.Context(), "x", nil); len(answers) != 2 || answers[0].Err == nil || answers[0].Err.Error() != "no connection" {
			t.Errorf("%+v", answers)
		}
	})
}

// What cannot be subscribed is an error of Open and Serve.
func TestOpenFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		p := net.port()
		p.setFail(errors.New("broken"))
		if _, err := peers.Open(t.Context(), options(p, "a", 1, &lines{})); err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("%v", err)
		}
		a := join(t, &net, "a", 1)
		a.port.setFail(p.failure())
		if err := a.Serve("x", nil); err == nil || !strings.Contains(err.Error(), "x: broken") {
			t.Errorf("%v", err)
		}
		if err := a.Serve("x", nil); err == nil || !strings.Contains(err.Error(), "already") {
			t.Errorf("%v", err)
		}
	})
}

// FuzzMessages: whatever comes by the network, a node goes on.
func FuzzMessages(f *testing.F) {
	for _, text := range []string{"", "{}", "\n", `{"node":"b","origin":1}`, `{"node":"b","number":-1}`, "{\"origin\":5}\nbody", `{"node":"a","started":"x"}`, "null\nx", `{"node":"b","leaves":true}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var net network
		a, other := join(t, &net, "a", 1), net.port()
		said{"c", 3, 1, time.Now(), time.Now()}.send(t, other)
		if err := a.Serve("x", echo); err != nil {
			t.Fatal(err)
		}
		if err := other.Serve("peers.ask.x", func(_ []byte, answer func([]byte)) {
			answer(text)
			answer([]byte("{\"node\":\"c\"}\nlast"))
		}); err != nil {
			t.Fatal(err)
		}
		for _, subject := range []string{"peers.beat", "peers.ask.x", "peers.ask.x.a", "peers.name.a"} {
			if err := other.Publish(subject, text); err != nil {
				t.Fatal(err)
			}
		}
		for _, serve := range reached(other, "peers.ask.x.a", func(p *port) map[string][]func([]byte, func([]byte)) { return p.serves }) {
			serve(text, func([]byte) {})
		}
		answers := a.Ask(t.Context(), "x", []byte("q"))
		if len(answers) < 2 || len(answers) > 4 || answers[0].Node > answers[1].Node {
			t.Errorf("%+v", answers)
		}
		for _, one := range answers {
			if one.Node == "a" && string(one.Body) != "q" {
				t.Errorf("its own answer: %+v", one)
			}
		}
	})
}
