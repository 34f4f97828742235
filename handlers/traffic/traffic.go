package traffic

import (
	"context"

	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/store/share"
)

// Limits of connections; 0: none.
type Limits struct {
	Connections, ConnectionsPerKey int
	Pending                        int          // sockets that have not authenticated
	Descriptors                    *Descriptors // nil: nobody watches them
}

// Traffic admits streams and publishes, and counts them.
type Traffic struct {
	*Metrics
	Memory  *share.Memory // used for clients
	gate    gate
	limits  *limits
	pending *pending
	full    fullness
}

// New makes a Traffic.
func New(m *Metrics, l Limits, memory *share.Memory) *Traffic {
	return &Traffic{Metrics: m, Memory: memory, limits: newLimits(l), pending: newPending(l.Pending)}
}

// Descriptor notes the number of a descriptor that was made for a stream.
func (t *Traffic) Descriptor(number int) { t.limits.descriptors.Observe(number) }

// ErrDraining is the answer to a client that comes while the gateway drains.
func ErrDraining() *httperr.Error {
	return httperr.From(broker.ErrDraining)
}

// EnterPublish admits a publish; false while draining. The caller of an admitted publish calls LeavePublish.
func (t *Traffic) EnterPublish() bool { return t.gate.enter() }

// LeavePublish ends a publish.
func (t *Traffic) LeavePublish() { t.gate.leave() }

// Streams returns how many streams are open.
func (t *Traffic) Streams() int { return t.limits.count() + t.pending.count() }

// Drain refuses new streams and publishes, ends every stream with a last frame, and returns when
// the publishes that were running and the last frames are out, or ctx ends.
func (t *Traffic) Drain(ctx context.Context, b *broker.Broker) error {
	t.gate.close()
	b.Drain()
	return t.gate.wait(ctx)
}

// Draining reports whether Drain was called.
func (t *Traffic) Draining() bool { return t.gate.isShut() }
