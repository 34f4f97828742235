package traffic

import (
	"context"
	"log/slog"
	"time"

	"sluice/auth/peer"
	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/handlers/writers"
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

// EnterStream lets a stream of a credential in, or says why there can be none now.
func (t *Traffic) EnterStream(scope string) *httperr.Error {
	if !t.gate.enter() {
		return ErrDraining()
	}
	if over := t.limits.take(scope); over != nil {
		t.gate.leave()
		return over
	}
	return nil
}

// LeaveStream counts it out.
func (t *Traffic) LeaveStream(scope string) {
	t.limits.give(scope)
	t.gate.leave()
}

// EnterOpen lets a stream in that needs no credential, or returns why there can be none now.
func (t *Traffic) EnterOpen(address string) *httperr.Error {
	if !t.gate.enter() {
		return ErrDraining()
	}
	if over := t.limits.takeOpen(peer.Network(address)); over != nil {
		t.gate.leave()
		return over
	}
	return nil
}

// LeaveOpen counts it out.
func (t *Traffic) LeaveOpen(address string) {
	t.limits.giveOpen(peer.Network(address))
	t.gate.leave()
}

// MoveStream counts a stream that was let in for another credential, or says why it cannot.
func (t *Traffic) MoveStream(from, to string) error {
	if over := t.limits.move(from, to); over != nil {
		return over
	}
	return nil
}

// Ended counts a stream out, and tells what became of it, since middleware has seen only its beginning.
func (t *Traffic) Ended(log *slog.Logger, s *writers.Stream, end writers.End) {
	if s.Leave != nil {
		s.Leave()
	} else {
		t.LeaveStream(s.Identity.Scope)
	}
	t.Closed(end.Reason)
	attrs := []any{"who", s.Identity.Name, "kind", s.Identity.Kind, "from", s.From,
		"for", time.Since(s.Started).Round(time.Millisecond), "events", s.Subscriber.Sent(), "bytes", end.Bytes,
		"why", end.Reason, "request_id", s.RequestID}
	if end.Err != nil {
		attrs = append(attrs, "cause", end.Err)
	}
	log.Info("stream ended", attrs...)
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
