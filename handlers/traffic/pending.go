package traffic

import (
	"slices"
	"sync"
)

// pending has the sockets whose clients have not authenticated yet. They have a pool of their own, so that they never take
// the place of a client that has. A new socket always enters. If its address's share is full, the oldest socket of the
// address goes; if the pool is full, the oldest socket of the address with the most. So a client that authenticates at
// once gets through, whatever others leave open.
type pending struct {
	max, maxPerAddress int

	mu sync.Mutex // a leaf
	n  int
	by map[string][]*Pending // the oldest first; only addresses that have some
}

// pendingShare is the part of the pool that one address may have.
const pendingShare = 8

func newPending(limit int) *pending {
	return &pending{max: limit, maxPerAddress: max(1, limit/pendingShare), by: map[string][]*Pending{}}
}

// Pending is the place of one socket in the pool.
type Pending struct {
	pool    *pending
	network string
	cut     func()
}

// enter takes a place in the pool. Another socket may lose its own.
func (p *pending) enter(network string, cut func()) *Pending {
	one := &Pending{p, network, cut}
	if old := p.add(one); old != nil {
		old.cut()
	}
	return one
}

// add returns the place that loses its socket, if any.
func (p *pending) add(one *Pending) (old *Pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.max == 0:
	case len(p.by[one.network]) >= p.maxPerAddress:
		old = p.by[one.network][0]
	case p.n >= p.max:
		old = p.by[p.crowded()][0]
	}
	if old != nil {
		p.remove(old)
	}
	p.n++
	p.by[one.network] = append(p.by[one.network], one)
	return old
}

// crowded returns the address with the most sockets.
func (p *pending) crowded() (fullest string) {
	for network, list := range p.by {
		if len(list) > len(p.by[fullest]) {
			fullest = network
		}
	}
	return fullest
}

// remove reports whether the place was still there.
func (p *pending) remove(one *Pending) bool {
	list := p.by[one.network]
	at := slices.Index(list, one)
	if at < 0 {
		return false
	}
	p.n--
	if p.by[one.network] = slices.Delete(list, at, at+1); len(list) == 1 {
		delete(p.by, one.network)
	}
	return true
}

// Leave gives the place back. It reports whether the socket still had it; a socket that has lost it is being cut.
func (o *Pending) Leave() bool {
	o.pool.mu.Lock()
	defer o.pool.mu.Unlock()
	return o.pool.remove(o)
}

func (p *pending) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}
