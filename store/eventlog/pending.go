package eventlog

import "fmt"

// pending is a request that waits for its outcome.
type pending struct {
	request *Request
	size    int
	looked  uint64        // the settled position from before look read the state
	heads   []uint64      // of the streams in Expect
	taken   int           // the first event whose key is taken in the store, counted from 1; 0 if none is
	blind   bool          // look has not run
	counted bool          // in Log.expecting
	done    chan struct{} // gets one token with the outcome
	first   uint64
	err     error
	queued
}

// pending makes one for a request.
func (l *Log) pending(r *Request) *pending {
	p, ok := l.pendings.Get().(*pending)
	if !ok {
		p = &pending{done: make(chan struct{}, 1)}
	}
	p.request, p.size = r, r.size()
	return p
}

// reuse takes the memory of a request that was answered. Only who has taken the token of done may call it: then nobody else
// uses p. With a shared journal, a message that is under way may still have it.
func (l *Log) reuse(p *pending) {
	if l.shared == nil {
		*p = pending{heads: p.heads[:0], done: p.done}
		l.pendings.Put(p)
	}
}

// look reads the state that the request's conditions need. The caller reads settled before the call.
func (p *pending) look(settled uint64, in Lookup) error {
	p.looked, p.blind = settled, false
	p.heads, p.taken = p.heads[:0], 0
	for _, x := range p.request.Expect {
		e := &p.request.Events[x.Index]
		head, err := in.Head(e.Space, e.Stream)
		if err != nil {
			return fmt.Errorf("%w: looking up a stream: %w", ErrUnavailable, err)
		}
		p.heads = append(p.heads, head)
	}
	for i := range p.request.Events {
		e := &p.request.Events[i]
		if !e.unique() {
			continue
		}
		id, err := in.Find(e.Space, e.Stream, e.Key)
		if err != nil {
			return fmt.Errorf("%w: looking up a key: %w", ErrUnavailable, err)
		}
		if id != 0 {
			p.taken = i + 1
			break
		}
	}
	return nil
}

// giveUp returns the outcome if it is known by now, else ErrUnknown with why.
func (p *pending) giveUp(why error) (uint64, error) {
	select {
	case <-p.done:
		return p.first, p.err
	default:
		return 0, fmt.Errorf("%w: %w", ErrUnknown, why)
	}
}

// answer ends a request. It runs here and not when the publisher gives up, since the request is still in the queue then.
func (l *Log) answer(p *pending) {
	if p.counted {
		l.expecting.Add(-1)
	}
	if r := p.request; p.err == nil && r.Stored != nil && (r.Once == nil || !r.Once.Replayed) {
		p.request.Stored()
	}
	p.done <- struct{}{}
}
