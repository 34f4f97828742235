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
	Bytes      int64 // written to its connection so far
}

// Held describes a subscriber to callers other than its writer.
type Held struct {
	Subscriber *Subscriber
	Holder     Holder
	Channels   string
	Oldest     uint64        // the id of the oldest event that it has yet to read; 0 at the head
	Behind     time.Duration // the age of that event
}

// Each calls f for every subscriber until f returns false. The broker is locked meanwhile, so f must be short, and must
// not call the broker.
func (b *Broker) Each(f func(Held) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.log.Clock().Now()
	for _, v := range b.views {
		for _, m := range v.members {
			for _, s := range m.subs {
				oldest := v.unread(s)
				if !f(Held{s, s.holder, v.key.set, oldest, behind(oldest, now)}) {
					return
				}
			}
		}
	}
}

// unread returns the id of the first item that came after the subscriber was last at the head, or 0.
func (v *view) unread(s *Subscriber) uint64 {
	i := v.after(s.seen)
	if i == v.end() {
		return 0
	}
	return v.list[i-v.base].id
}

func behind(oldest, now uint64) time.Duration {
	if oldest == 0 {
		return 0
	}
	return max(0, time.Duration(int64(now-oldest))*time.Microsecond)
}
