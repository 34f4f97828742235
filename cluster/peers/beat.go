package peers

import (
	"encoding/json"
	"time"
)

const beatSubject = "peers.beat"

// beat is what a node sends each second.
type beat struct {
	Node    string    `json:"node"`
	Origin  uint64    `json:"origin"`
	Number  uint64    `json:"number"` // of the beats of an origin; a lower one than the last is old
	Started time.Time `json:"started"`
	Sent    time.Time `json:"sent"`
	Leaves  bool      `json:"leaves,omitempty"` // it is the last one
	State
}

// node is another node.
type node struct {
	beat           // the last one
	seen time.Time // when it came
	off  time.Duration
	gone bool // as logged
	// twice is when a second node with the name was last heard.
	twice time.Time
}

func (n *node) away(now time.Time) bool { return now.Sub(n.seen) >= awayAfter }

// run sends beats and watches those of others until Close.
func (p *Peers) run() {
	defer p.work.Done()
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		p.step()
		select {
		case <-tick.C:
		case <-p.ctx.Done():
			return
		}
	}
}

// step is one beat. It contains a panic of state: the others see that the beats do not come.
func (p *Peers) step() {
	defer p.contain("the beat of the cluster")
	p.send(false)
	p.watch(time.Now())
}

// send sends a beat.
func (p *Peers) send(last bool) {
	p.mu.Lock()
	b, state := p.own, p.state
	p.mu.Unlock()
	if !last {
		b.State = state()
	}
	b.Number++
	b.Sent, b.Leaves = time.Now(), last
	p.mu.Lock()
	p.own = b
	p.mu.Unlock()
	_ = p.o.Network.Publish(beatSubject, encode(b)) // without a connection; the next beat comes, and the bus has logged it
}

// watch logs who went away, and forgets who was away for long.
func (p *Peers) watch(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(now)
	for _, n := range p.known {
		if n.away(now) && !n.gone {
			n.gone = true
			p.o.Logger.Warn("a gateway of the cluster is silent", "node", n.Node, "silent", now.Sub(n.seen).Round(time.Millisecond))
		}
	}
}

// forget drops nodes that were silent for long. p.mu is locked.
func (p *Peers) forget(now time.Time) {
	for name, n := range p.known {
		if now.Sub(n.seen) >= forgetAfter {
			p.drop(name)
		}
	}
}

func (p *Peers) drop(name string) {
	delete(p.known, name)
	delete(p.said, clockOf(name))
	delete(p.said, nameOf(name))
}

// clockOf and nameOf are the keys of warnings about a node.
func clockOf(name string) string { return "clock " + name }
func nameOf(name string) string  { return "name " + name }

// heard takes a beat from the network.
func (p *Peers) heard(text []byte) {
	defer p.contain("a beat of another gateway")
	var b beat
	if err := json.Unmarshal(text, &b); err != nil || b.Node == "" {
		return // of a version that sends something else
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch {
	case b.Origin == p.o.Origin && b.Node == p.o.Node:
	case b.Node == p.o.Node:
		p.sameName(b, now)
	default:
		p.other(b, now)
	}
}

// sameName takes a beat of another node with our name.
func (p *Peers) sameName(b beat, now time.Time) {
	if b.Leaves {
		return
	}
	p.twice = now
	if p.sayOnce(nameOf(b.Node), now) {
		p.o.Logger.Error("two gateways have one name", "cause", p.nameError())
	}
}

// other takes a beat of a node with another name.
func (p *Peers) other(b beat, now time.Time) {
	n := p.known[b.Node]
	if n != nil && n.Origin != b.Origin && !n.away(now) && !b.Started.After(n.Started) {
		p.twoOf(n, b, now) // who started first is still there, so it was not a restart
		return
	}
	if n != nil && n.Origin == b.Origin && b.Number <= n.Number {
		return
	}
	if b.Leaves {
		if n != nil && n.Origin == b.Origin {
			p.drop(b.Node)
			p.o.Logger.Info("a gateway has left the cluster", "node", b.Node)
		}
		return
	}
	if n == nil {
		if n = p.add(b, now); n == nil {
			return
		}
	} else if n.gone || n.Origin != b.Origin {
		p.o.Logger.Info("a gateway of the cluster is back", "node", b.Node, "restarted", n.Origin != b.Origin)
	}
	n.beat, n.seen, n.gone, n.off = b, now, false, b.Sent.Sub(now)
	if n.off.Abs() > clockMost && p.sayOnce(clockOf(b.Node), now) {
		p.o.Logger.Warn("the clock of a gateway differs from ours: let both follow NTP", "node", b.Node, "seconds", n.off.Seconds())
	}
}

// twoOf takes a beat of the older one of two other nodes with one name. The newer one is in the list.
func (p *Peers) twoOf(n *node, b beat, now time.Time) {
	if b.Leaves {
		return
	}
	n.twice = now
	if p.sayOnce(nameOf(b.Node), now) {
		p.o.Logger.Error("two gateways have one name: set CLUSTER_NODE at one of them", "node", b.Node)
	}
}

// add makes place for a node that is new. It returns nil where there is none. A node that is here counts more than one that
// is away.
func (p *Peers) add(b beat, now time.Time) *node {
	if len(p.known)+1 >= maxNodes {
		oldest := ""
		for name, n := range p.known {
			if n.away(now) && (oldest == "" || n.seen.Before(p.known[oldest].seen)) {
				oldest = name
			}
		}
		if oldest == "" {
			if p.sayOnce("full", now) {
				p.o.Logger.Error("the cluster has too many gateways: a new one is not listed", "node", b.Node, "most", maxNodes)
			}
			return nil
		}
		p.drop(oldest)
	}
	n := &node{}
	p.known[b.Node] = n
	p.o.Logger.Info("a gateway is in the cluster", "node", b.Node, "version", b.Version)
	return n
}
