package realtime

import (
	"context"
	"sync"
)

// gate counts the requests under way and can be shut: what is inside then finishes, and nothing
// new comes in.
type gate struct {
	mu   sync.Mutex
	shut bool
	n    int
	idle chan struct{} // made by close, closed when the last is out
}

// enter is false once the gate is shut.
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

// Drain refuses new streams and publishes, ends every stream with a last frame, and returns when
// the publishes that were running and the last frames are out, or ctx ends.
func (h *Handler) Drain(ctx context.Context) error {
	h.gate.close()
	h.o.Broker.Drain()
	return h.gate.wait(ctx)
}

// Draining says whether Drain was called.
func (h *Handler) Draining() bool { return h.gate.isShut() }
