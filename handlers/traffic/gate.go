package traffic

import (
	"context"
	"sync"
)

// gate counts the requests in progress and can be shut. Then those inside finish, and no new one enters.
type gate struct {
	mu   sync.Mutex
	shut bool
	n    int
	idle chan struct{} // made by close, closed when the last is out
}

// enter returns false once the gate is shut.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.n++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	if g.shut && g.n == 0 {
		close(g.idle)
	}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return
	}
	g.shut, g.idle = true, make(chan struct{})
	if g.n == 0 {
		close(g.idle)
	}
}

func (g *gate) isShut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

func (g *gate) wait(ctx context.Context) error {
	select {
	case <-g.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
