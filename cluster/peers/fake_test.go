package peers_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"sluice/cluster/peers"
)

// network is a NATS of one process, so that tests can use the clock of synctest.
type network struct {
	mu    sync.Mutex
	ports []*port
}

// port is the connection of one node.
type port struct {
	net     *network
	cut     bool // it reaches nobody, and nobody reaches it
	fail    error
	listens map[string][]func([]byte)
	serves  map[string][]func([]byte, func([]byte))
}

func (n *network) port() *port {
	p := &port{net: n, listens: map[string][]func([]byte){}, serves: map[string][]func([]byte, func([]byte)){}}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ports = append(n.ports, p)
	return p
}

// end takes a port out, as a kill of the process does.
func (p *port) end() {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	p.listens, p.serves = nil, nil
}

func (p *port) setCut(cut bool) {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	p.cut = cut
}

// reached returns what hears a message of p. A node hears its own messages.
func reached[F any](p *port, subject string, of func(*port) map[string][]F) (all []F) {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	for _, other := range p.net.ports {
		if other == p || !other.cut && !p.cut {
			all = append(all, of(other)[subject]...)
		}
	}
	return all
}

func (p *port) setFail(err error) {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	p.fail = err
}

func (p *port) failure() error {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	return p.fail
}

func (p *port) Publish(subject string, body []byte) error {
	if err := p.failure(); err != nil {
		return err
	}
	for _, f := range reached(p, subject, func(p *port) map[string][]func([]byte) { return p.listens }) {
		f(bytes.Clone(body))
	}
	return nil
}

func (p *port) Listen(subject string, f func([]byte)) error {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	if p.fail == nil {
		p.listens[subject] = append(p.listens[subject], f)
	}
	return p.fail
}

func (p *port) Serve(subject string, f func([]byte, func([]byte))) error {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	if p.fail == nil {
		p.serves[subject] = append(p.serves[subject], f)
	}
	return p.fail
}

func (p *port) Ask(ctx context.Context, subject string, body []byte, f func([]byte) bool) error {
	if err := p.failure(); err != nil {
		return err
	}
	all := reached(p, subject, func(p *port) map[string][]func([]byte, func([]byte)) { return p.serves })
	if len(all) == 0 {
		return nil
	}
	answers := make(chan []byte, 1000)
	for _, serve := range all {
		serve(bytes.Clone(body), func(answer []byte) { answers <- bytes.Clone(answer) })
	}
	for {
		select {
		case answer := <-answers:
			if !f(answer) {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// member is a node of a test.
type member struct {
	*peers.Peers
	port *port
	log  *lines
}

// options are those of a node that joins net.
func options(p *port, name string, origin uint64, log *lines) peers.Options {
	return peers.Options{
		Network: p, Node: name, Origin: origin, Logger: slog.New(slog.NewTextHandler(log, nil)),
	}
}

// state is what a node of a test says of itself.
func state(name string, origin uint64) peers.State {
	return peers.State{Version: "v-" + name, Place: origin, Ready: true}
}

// join opens a node until the test ends.
func join(t *testing.T, net *network, name string, origin uint64) *member {
	t.Helper()
	return joinBy(t, net.port(), name, origin)
}

func joinBy(t *testing.T, p *port, name string, origin uint64) *member {
	t.Helper()
	m := &member{port: p, log: &lines{}}
	var err error
	if m.Peers, err = peers.Open(t.Context(), options(p, name, origin, m.log)); err != nil {
		t.Fatal(err)
	}
	m.Start(func() peers.State { return state(name, origin) })
	t.Cleanup(m.Close)
	return m
}

// kill ends a node without a goodbye.
func (m *member) kill() {
	m.port.setCut(true)
	m.port.end()
	m.Close()
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// logs is what a node logged.
func (m *member) logs() string {
	synctest.Wait()
	return m.log.String()
}

// said returns how many lines of the log have a text.
func (m *member) said(text string) int { return strings.Count(m.logs(), text) }

// brief is a list in one line: "a* b(away) c(twice)".
func brief(m *member) string {
	synctest.Wait()
	var all []string
	for _, p := range m.List() {
		one := p.Node
		if p.Self {
			one += "*"
		}
		if p.Away {
			one += "(away)"
		}
		if p.Twice {
			one += "(twice)"
		}
		all = append(all, one)
	}
	return strings.Join(all, " ")
}
