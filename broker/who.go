package broker

import "time"

// Holder is the stream or socket that a subscriber belongs to. It says whose that is.
type Holder interface{ Client() Client }

// Client is whose a subscriber is.
type Client struct {
	RequestID  string // of the request that opened the stream or socket
	Name, Kind string // of the credential
	From       string // the address
	Started    time.Time
}

// Held is a subscriber as others than its writer may see it.
type Held struct {
	Subscriber *Subscriber
	Holder     Holder
	Channels   string
	Behind     time.Duration // how long the oldest event that it has yet to take has been there; 0 at the head
}

// Each calls f for every subscriber until it is false, with the broker locked: f must be short, and must not call the
// broker.
func (b *Broker) Each(f func(Held) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.log.Clock().Now()
	for _, v := range b.views {
		for _, m := range v.members {
			for _, s := range m.subs {
				if !f(Held{s, s.holder, v.key.set, v.behind(s, now)}) {
					return
				}
			}
		}
	}
}

// behind is how long the first mention that the subscriber has not been at the head for has waited.
func (v *view) behind(s *Subscriber, now uint64) time.Duration {
	i := v.after(s.seen)
	if i == v.end() {
		return 0
	}
	return max(0, time.Duration(int64(now-v.list[i-v.base].id))*time.Microsecond)
}
