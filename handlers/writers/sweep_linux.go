package writers

import (
	"slices"
	"time"

	"sluice/broker"
	"sluice/broker/sse"
)

// sweep does what is due by the clock, for every stream.
func (sh *shard) sweep(now time.Time) {
	ms := clock(now)
	sh.pings.clear()
	for _, s := range sh.streams {
		if s != nil {
			sh.check(s, now, ms)
		}
	}
	sh.serving = nil
	if len(sh.again) > 0 {
		sh.group.Kick()
	}
	sh.shrink()
}

func (sh *shard) check(s *Stream, now time.Time, ms int64) {
	sh.serving = s
	defer sh.dropPanicking()
	k := &s.socket
	if s.web != nil && k.phase == open {
		sh.checkSocket(s, now)
		return
	}
	if k.chatty && !sh.listen(s) {
		return
	}
	switch k.phase {
	case ending, lingering:
		if timedOut(&k.deadline, maxLinger, now) {
			sh.drop(s, k.why.reason, k.why.cause)
		}
		return
	case open:
	default:
		return
	}
	if reason := s.Identity.Ended(); reason != "" {
		sh.finish(s, broker.End(reason), nil)
		return
	}
	if reason := s.due(now); reason != "" {
		sh.finish(s, reason, nil)
		return
	}
	if k.blocked {
		sh.checkBlocked(s, now)
		return
	}
	if ms >= k.nextPing && !k.fetching {
		sh.ping(s, now)
	}
}

// checkBlocked closes a connection that took no byte within the time allowed. The kernel reports room only when there is
// much of it. So a slow client that still reads is recognized by the bytes that the kernel still has for it.
func (sh *shard) checkBlocked(s *Stream, now time.Time) {
	k := &s.socket
	if !timedOut(&k.deadline, sh.config.WriteTimeout, now) {
		return
	}
	left := queued(k.fd)
	if left >= k.queued {
		sh.drop(s, Slow, nil)
		return
	}
	k.queued, k.deadline = left, clock(now.Add(sh.config.WriteTimeout))
}

// ping brings the stream to the head, where it is not, and writes a ping behind.
func (sh *shard) ping(s *Stream, now time.Time) {
	sh.serve(s)
	k := &s.socket
	if k.phase != open || k.blocked || k.fetching || len(k.rest) > 0 {
		return
	}
	sh.sayPing(s, now)
}

// pingBehind writes a ping that is due to a stream that reads the log, and returns false if the connection took less. The
// sweep leaves such a stream to its fetch nearly always, so a long replay would have no pings.
func (sh *shard) pingBehind(s *Stream, now time.Time) bool {
	if k := &s.socket; clock(now) < k.nextPing {
		return true
	}
	sh.sayPing(s, now)
	return s.socket.phase == open && !s.socket.blocked
}

// sayPing writes a ping to a stream that has nothing else to write.
func (sh *shard) sayPing(s *Stream, now time.Time) {
	k := &s.socket
	interval := sh.config.PingInterval.Milliseconds()
	if k.nextPing += interval; k.nextPing <= clock(now) {
		k.nextPing = clock(now) + interval
	}
	if s.Notices == nil {
		sh.writeFrame(s, sh.pings.frame(s.Subscriber.TakePosition(), now, k.chunked))
	} else {
		sh.writeFrame(s, appendNotice(nil, s, s.Notices.Ping(s.Subscriber, now)))
	}
}

// pings are the frames of one tick: all that are at the head share one, or two.
type pings struct {
	made []encodedPing
	next int
}

type encodedPing struct {
	id      uint64
	chunked bool
	frame   []byte
}

const maxEncodedPings = 8

func (p *pings) clear() { p.made, p.next = p.made[:0], 0 }

func (p *pings) frame(id uint64, now time.Time, chunked bool) []byte {
	for i := range p.made {
		if m := &p.made[i]; m.id == id && m.chunked == chunked {
			return m.frame
		}
	}
	m := encodedPing{id: id, chunked: chunked}
	if chunked {
		m.frame = sse.EndChunk(sse.AppendPing(sse.BeginChunk(nil), id, now), 0)
	} else {
		m.frame = sse.AppendPing(nil, id, now)
	}
	if len(p.made) < maxEncodedPings {
		p.made = append(p.made, m)
	} else {
		p.made[p.next%maxEncodedPings] = m
		p.next++
	}
	return m.frame
}

// shrink gives back what a crowd has left behind.
func (sh *shard) shrink() {
	if len(sh.streams) > 1024 && len(sh.free) == len(sh.streams) {
		sh.firstGeneration = slices.Max(sh.generations) // an event of an earlier stream may still be on its way
		sh.streams, sh.generations, sh.free = nil, nil, nil
	}
	if cap(sh.block.Bytes) > 4*batchBytes {
		sh.block = broker.Block{}
	}
	sh.turn.trim()
}
