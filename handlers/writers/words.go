package writers

import (
	"time"

	"sluice/broker"
	"sluice/broker/sse"
)

// Words are what a stream says beside its events and gaps. What is empty is not said.
type Words interface {
	// Opening comes first.
	Opening(s *broker.Subscriber) []byte
	// Ping keeps the connection alive.
	Ping(s *broker.Subscriber, now time.Time) []byte
	// Live comes once in a range, when the present is reached.
	Live() []byte
	// Over ends a range at a position.
	Over(position uint64, reason RangeEnd) []byte
	// Last ends a stream for another reason. It says nothing for broker.EndCut: only one of the writers asks for that.
	Last(reason broker.End) []byte
}

// frames are the words of an event stream.
type frames struct{ config *Config }

func (frames) Opening(s *broker.Subscriber) []byte { return s.AppendOpening(nil) }

func (frames) Ping(s *broker.Subscriber, now time.Time) []byte { return s.AppendPing(nil, now) }

func (frames) Live() []byte { return sse.AppendLive(nil) }

func (frames) Over(position uint64, reason RangeEnd) []byte {
	return sse.AppendEnd(nil, position, string(reason))
}

func (f frames) Last(reason broker.End) []byte { return f.config.appendLast(nil, reason) }

// Lines are the words of NDJSON: events and gaps only. An empty line keeps the connection alive.
var Lines Words = lines{}

type lines struct{}

func (lines) Opening(s *broker.Subscriber) []byte { return s.AppendOpening(nil) }

func (lines) Ping(*broker.Subscriber, time.Time) []byte { return []byte{'\n'} }

func (lines) Live() []byte { return nil }

func (lines) Over(uint64, RangeEnd) []byte { return nil }

func (lines) Last(broker.End) []byte { return nil }
