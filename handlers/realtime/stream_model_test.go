package realtime_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/broker/sse/ssetest"
	"sluice/gateway/gatewaytest"
)

// TestStreamModel: whatever the order of publishes, stalls, reads of any size, cuts and resumes, each client
// gets exactly the matching sequence, and no ping says more than it has.
func TestStreamModel(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		for _, seed := range []uint64{1, 2, uint64(time.Now().UnixNano())} {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				m := newModel(t, writer, seed)
				for range 200 {
					m.step()
				}
				for i := range m.clients {
					m.settle(&m.clients[i])
				}
			})
		}
	})
}

// model is what was published and who has read how much of it. All is done by one goroutine, so that the
// model always knows more than any client.
type model struct {
	t       *testing.T
	random  *rand.Rand
	g       *gateway
	all     []published
	clients []modelClient
}

type published struct {
	id   uint64
	name string
	size int // of its data

	gone     int    // the index of its retraction, or 0: who was there before may have had it on its way
	retracts string // the data of a retraction
}

// modelClient reads as an EventSource does: it resumes by the last id that it received.
type modelClient struct {
	w     *gatewaytest.Wire // nil while it is away
	names string
	last  string // what it resumes by; "" where it has never been there
	at    uint64 // it has all that matches up to here
	began bool   // init has come
	since int    // how many events there were when it came
}

func newModel(t *testing.T, writer func(*setup), seed uint64) *model {
	random := rand.New(rand.NewPCG(seed, 0))
	g := newGateway(t, writer, func(s *setup) {
		s.PingInterval = []time.Duration{5 * time.Millisecond, time.Hour}[random.IntN(2)]
		s.RingBytes = []int{1, 50_000, 0}[random.IntN(3)]
	})
	m := &model{t: t, random: random, g: g}
	for i := range 8 {
		m.clients = append(m.clients, modelClient{names: []string{"abc", "a", "bc"}[i%3]})
	}
	return m
}

func (m *model) step() {
	c := &m.clients[m.random.IntN(len(m.clients))]
	switch n := m.random.IntN(10); {
	case n < 4:
		m.publish()
	case n == 4:
		m.retract()
	case c.w == nil:
		m.come(c)
	case n < 9:
		m.read(c)
	default:
		m.cut(c)
	}
}

func (m *model) publish() {
	name := string("abc"[m.random.IntN(3)])
	size := []int{1, 100, 20_000}[m.random.IntN(3)] + m.random.IntN(100)
	n := 1 + m.random.IntN(5)
	for _, id := range m.g.Put(m.t, gatewaytest.Events(n, name, size)...) {
		m.all = append(m.all, published{id: number(m.t, id), name: name, size: size})
	}
}

func (m *model) retract() {
	if len(m.all) == 0 {
		return
	}
	p := &m.all[len(m.all)-1-m.random.IntN(min(len(m.all), 20))]
	if p.gone != 0 || p.retracts != "" {
		return
	}
	p.gone = len(m.all)
	by := number(m.t, m.g.retract(m.t, fmt.Sprint(p.id)))
	m.all = append(m.all, published{id: by, name: p.name, retracts: fmt.Sprintf(`{"event":"retract","data":{"id":"%d","channel":"%s"}}`, p.id, p.name)})
}

func (m *model) come(c *modelClient) {
	request := gatewaytest.Get(gatewaytest.KeyAll, "?channels="+strings.Join(strings.Split(c.names, ""), ","), "Last-Event-ID: "+c.last+"\r\n")
	c.w = m.g.Wire(m.t, gatewaytest.WithVersion([]string{"HTTP/1.0", "HTTP/1.1"}[m.random.IntN(2)], request))
	c.began, c.since = false, len(m.all)-1
}

// read reads once, if there is something before long.
func (m *model) read(c *modelClient) {
	m.pull(c, 1+m.random.IntN([]int{10, 3000, 200_000}[m.random.IntN(3)]), time.Millisecond)
}

func (m *model) pull(c *modelClient, n int, wait time.Duration) {
	if err := c.w.SetReadDeadline(time.Now().Add(wait)); err != nil {
		m.t.Fatal(err)
	}
	err := c.w.Pull(n)
	for _, e := range c.w.Queue {
		m.got(c, e)
	}
	if c.w.Queue = c.w.Queue[:0]; c.w.Parser.LastEventID() != "" {
		c.last = c.w.Parser.LastEventID()
	}
	if c.w.Text = nil; err != nil && (wait > time.Second || !errors.Is(err, os.ErrDeadlineExceeded)) {
		m.t.Fatalf("%v at %d", err, c.at)
	}
}

func (m *model) got(c *modelClient, e ssetest.Event) {
	id := number(m.t, e.ID)
	want, ok := m.due(c)
	switch {
	case e.Name == "" && !c.began:
		c.began = true
		if c.last == "" {
			c.at = id
		} else if c.last != e.ID {
			m.t.Errorf("resumed by %s, begun at %d", c.last, id)
		}
	case !c.began:
		m.t.Fatalf("%+v before init", e)
	case e.Name == "ping":
		if ok && id >= want.id || id < c.at {
			m.t.Fatalf("a ping has the id %d for a client at %d, but %d is still to come", id, c.at, want.id)
		}
		c.at = id
	case m.onItsWay(c, id, e):
		c.at = id
	case ok && want.retracts != "":
		if id != want.id || e.Name != "retract" || e.Data != want.retracts {
			m.t.Fatalf("got %s %d %s, want %+v", e.Name, id, e.Data, want)
		}
		c.at = id
	case !ok || id != want.id || e.Name != want.name || !strings.HasSuffix(e.Data, `"}`) || strings.Count(e.Data, "x") != want.size:
		m.t.Fatalf("got %s %d (%d bytes), want %+v", e.Name, id, len(e.Data), want)
	default:
		c.at = id
	}
}

// onItsWay reports whether what a client got is an event that is retracted by now, and was on its way to the client. It comes
// in its place: before what is due, so before the retraction.
func (m *model) onItsWay(c *modelClient, id uint64, e ssetest.Event) bool {
	want, ok := m.due(c)
	i := slices.IndexFunc(m.all, func(p published) bool { return p.id == id })
	return i >= 0 && m.all[i].gone > c.since && m.all[i].name == e.Name && id > c.at && (!ok || id < want.id)
}

// due is the next event that the client has to get.
func (m *model) due(c *modelClient) (published, bool) {
	i, _ := slices.BinarySearchFunc(m.all, c.at+1, func(p published, id uint64) int { return int(int64(p.id) - int64(id)) })
	for ; i < len(m.all); i++ {
		if strings.Contains(c.names, m.all[i].name) && m.all[i].gone == 0 {
			return m.all[i], true
		}
	}
	return published{}, false
}

// cut leaves, one way or the other. What was on its way is lost, and comes again.
func (m *model) cut(c *modelClient) {
	if m.random.IntN(2) == 0 {
		if err := c.w.SetLinger(0); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := c.w.Close(); err != nil {
		m.t.Fatal(err)
	}
	c.w = nil
}

// settle reads all that is to come.
func (m *model) settle(c *modelClient) {
	if c.w == nil {
		m.come(c)
	}
	for _, more := m.due(c); more || !c.began; _, more = m.due(c) {
		m.pull(c, 64<<10, 30*time.Second)
	}
}
