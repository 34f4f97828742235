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

// Traffic lets in, and counts.
type Traffic struct {
	*Metrics
	Memory  *share.Memory // what is held for clients
	gate    gate
	limits  *limits
	pending *pending
}

// New makes a Traffic.
func New(m *Metrics, l Limits, memory *share.Memory) *Traffic {
	return &Traffic{Metrics: m, Memory: memory, limits: newLimits(l), pending: newPending(l.Pending)}
}

// Descriptor notes the number of a descriptor that was made for a stream.
func (t *Traffic) Descriptor(number int) { t.limits.descriptors.Saw(number) }

// ErrDraining is the answer to who comes too late.
func ErrDraining() *httperr.Error {
	return httperr.From(broker.ErrDraining)
}

// EnterPublish lets a publish in; false while draining. What was let in is to leave.
func (t *Traffic) EnterPublish() bool { return t.gate.enter() }

// LeavePublish counts it out.
func (t *Traffic) LeavePublish() { t.gate.leave() }

// Streams is how many there are.
func (t *Traffic) Streams() int { return t.limits.count() + t.pending.count() }

// Drain refuses new streams and publishes, ends every stream with a last frame, and returns when
// the publishes that were running and the last frames are out, or ctx ends.
func (t *Traffic) Drain(ctx context.Context, b *broker.Broker) error {
	t.gate.close()
	b.Drain()
	return t.gate.wait(ctx)
}

// Draining says whether Drain was called.
func (t *Traffic) Draining() bool { return t.gate.isShut() }
