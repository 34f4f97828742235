package writers

import (
	"time"

	"sluice/broker"
	"sluice/broker/sse"
)

// sweep does for every stream what the clock asks for.
func (h *shard) sweep(now time.Time) {
	ms := clock(now)
	h.pings.clear()
	for _, s := range h.streams {
		if s != nil {
			h.look(s, now, ms)
		}
	}
	h.serving = nil
	if len(h.again) > 0 {
		h.group.Kick()
	}
	h.shrink()
}

func (h *shard) look(s *Stream, now time.Time, ms int64) {
	h.serving = s
	defer h.contain()
	k := &s.socket
	if k.chatty && !h.listen(s) {
		return
	}
	switch k.phase {
	case ending, lingering:
		if ranOut(&k.deadline, lingerMost, now) {
			h.drop(s, k.reason, k.cause)
		}
		return
	case open:
	default:
		return
	}
	if reason := s.Identity.Ended(); reason != "" {
		h.finish(s, broker.End(reason), nil)
		return
	}
	if reason := s.due(now); reason != "" {
		h.finish(s, reason, nil)
		return
	}
	if k.blocked {
		h.blockedStill(s, now)
		return
	}
	if ms >= k.nextPing && !k.fetching {
		h.ping(s, now)
	}
}

// blockedStill closes a connection that took no byte for the time allowed. The kernel tells of room only when
// there is much of it, so a slow client is known by what is still in hand.
func (h *shard) blockedStill(s *Stream, now time.Time) {
	k := &s.socket
	if !ranOut(&k.deadline, h.config.WriteTimeout, now) {
		return
	}
	left := queued(k.fd)
	if left >= k.queued {
		h.drop(s, Slow, nil)
		return
	}
	k.queued, k.deadline = left, clock(now.Add(h.config.WriteTimeout))
}

// ping brings the stream to the head, where it is not, and writes a ping behind.
func (h *shard) ping(s *Stream, now time.Time) {
	h.serve(s)
	k := &s.socket
	if k.phase != open || k.blocked || k.fetching || len(k.rest) > 0 {
		return
	}
	interval := h.config.PingInterval.Milliseconds()
	if k.nextPing += interval; k.nextPing <= clock(now) {
		k.nextPing = clock(now) + interval
	}
	if s.Words == nil {
		h.say(s, h.pings.frame(s.Subscriber.TakePosition(), now, k.chunked))
	} else {
		h.say(s, appendWords(nil, s, s.Words.Ping(s.Subscriber, now)))
	}
}

// pings are the frames of one tick: all that are at the head share one, or two.
type pings struct {
	made []madePing
	next int
}

type madePing struct {
	id      uint64
	chunked bool
	frame   []byte
}

const keptPings = 8

func (p *pings) clear() { p.made, p.next = p.made[:0], 0 }

func (p *pings) frame(id uint64, now time.Time, chunked bool) []byte {
	for i := range p.made {
		if m := &p.made[i]; m.id == id && m.chunked == chunked {
			return m.frame
		}
	}
	m := madePing{id: id, chunked: chunked}
	if chunked {
		m.frame = sse.EndChunk(sse.AppendPing(sse.BeginChunk(nil), id, now), 0)
	} else {
		m.frame = sse.AppendPing(nil, id, now)
	}
	if len(p.made) < keptPings {
		p.made = append(p.made, m)
	} else {
		p.made[p.next%keptPings] = m
		p.next++
	}
	return m.frame
}

// shrink gives back what a crowd has left behind.
func (h *shard) shrink() {
	if len(h.streams) > 1024 && len(h.free) == len(h.streams) {
		h.streams, h.born, h.free = nil, nil, nil
	}
	if cap(h.block.Bytes) > 4*batchBytes {
		h.block = broker.Block{}
	}
}
