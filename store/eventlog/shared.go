package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Shared is a journal that several logs apply, each in a process of its own. A log proposes what its publishers append, one
// message at a time, and answers them when the message comes out of Next.
type Shared interface {
	Journal
	// Origin identifies this process's messages. It is new at each start, and never 0.
	Origin() uint64
	// Propose tries to add a message. If it is called again with the same number, the journal still has the message once.
	// After an error the message may be in the journal, unless it is ErrTooLarge. Once a part of the message may be there,
	// Propose reads p no more: the log may write into the requests. ctx ends when the message is applied.
	Propose(ctx context.Context, p *Proposal) error
	// End returns the place of the newest message as of the call. Next returns an entry with that place, or a higher one.
	End(ctx context.Context) (uint64, error)
	// Compared reports whether the claim of another process agrees with this one's state. It must be short.
	Compared(origin uint64, agrees bool)
	// Health is the reason that this process cannot follow the journal now, or nil.
	Health() error
	// Close ends Next.
	Close() error
}

// Proposal is a message before it has its place: the requests of one process that waited together. An edit is alone in its
// message.
type Proposal struct {
	Number   uint64 // from 1, by 1
	Requests []*Request
	Claim    Claim
}

// Claim is what a process says of its state, for others to compare: all that have applied the journal up to a place have the
// same Chain there.
type Claim struct{ Place, Chain uint64 }

// Errors of a shared journal.
var (
	ErrTooLarge = errors.New("the request is too large for the journal")
	ErrBehind   = errors.New("this gateway is behind the other gateways")
	ErrSilent   = errors.New("the journal does not answer in time")
)

// messages answers those whose messages were applied, and compares the claims of others.
func (c *committer) messages(entries []Entry) {
	l := c.log
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].Place == entries[0].Place {
			n++
		}
		message := entries[:n]
		entries = entries[n:]
		if e := &message[0]; e.Origin != 0 && !e.repeat {
			if e.Origin == l.shared.Origin() {
				l.proposed(message)
			} else if agrees, known := c.chains.agrees(e.Claim); known {
				l.shared.Compared(e.Origin, agrees)
			}
		}
		last := &message[n-1]
		c.chains.add(Claim{last.Place, last.chain})
	}
	l.proposals.heard(c.applied)
	l.clock.follow(c.applied.At)
}

// errVoid is the error of a request of a message that got its place, but that the journal found void. Nothing of it is
// stored, also not by a later copy of it.
var errVoid = errors.New("the journal has refused the message")

// proposed answers those whose message was applied.
func (l *Log) proposed(message []Entry) {
	waiting := l.proposals.end(message[0].Number)
	for i, p := range waiting {
		if e := &message[min(i, len(message)-1)]; e.Request == nil {
			p.err = fmt.Errorf("%w: %w", ErrUnavailable, errVoid)
		} else {
			p.request.learn(e.Request)
			p.first, p.err = e.first, e.err
		}
		l.answer(p)
	}
}

// learn copies what applying has found out. It was found in a copy of the request, decoded from the journal.
func (r *Request) learn(applied *Request) {
	for i := range applied.Events {
		from, to := &applied.Events[i], &r.Events[i]
		to.ID, to.Seq, to.Drops = from.ID, from.Seq, from.Drops
	}
	r.Sizes = applied.Sizes
	if r.Once != nil {
		r.Once.Replayed = applied.Once.Replayed
	}
}

// Start begins to apply a shared journal, and returns when this log has applied all that was in it. Follow, Derive, Tail and
// OnEdit are called before. A log with a journal of its own has started in Open.
func (l *Log) Start(ctx context.Context) error {
	if l.shared == nil {
		return nil
	}
	if err := l.startShared(); err != nil {
		return err
	}
	for {
		end, err := l.shared.End(ctx)
		if err == nil {
			return l.waitUntil(ctx, func() bool { return l.place.Load() >= end })
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("looking for the journal's end: %w", err)
		case <-l.quit:
			return fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed)
		case <-l.failed:
			return fmt.Errorf("%w: it has failed", ErrUnavailable)
		case <-time.After(l.options.TryAgain):
		}
	}
}

// startShared starts the goroutines. The lock makes sure that Close waits for them, or that they do not start.
func (l *Log) startShared() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed)
	}
	l.proposals.rest()
	l.start(l.shared)
	l.working.Go(func() { l.propose(l.shared) })
	return nil
}
