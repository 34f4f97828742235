package writers

import (
	"time"

	"sluice/broker"
	"sluice/broker/sse"
)

// Notices are what a stream sends in addition to its events. An empty one is not sent.
type Notices interface {
	// Opening is the first.
	Opening(s *broker.Subscriber) []byte
	// Ping keeps the connection alive.
	Ping(s *broker.Subscriber, now time.Time) []byte
	// Live is sent once in a range, when the stream has reached the present.
	Live() []byte
	// Over ends a range; position is where it ended.
	Over(position uint64, reason RangeEnd) []byte
	// Last ends a stream for another reason. A stream that is cut (broker.EndCut) has none.
	Last(reason broker.End) []byte
}

// frames are the notices of an event stream.
type frames struct{ config *Config }

func (frames) Opening(s *broker.Subscriber) []byte { return s.AppendOpening(nil) }

func (frames) Ping(s *broker.Subscriber, now time.Time) []byte { return s.AppendPing(nil, now) }

func (frames) Live() []byte { return sse.AppendLive(nil) }

func (frames) Over(position uint64, reason RangeEnd) []byte {
	return sse.AppendEnd(nil, position, string(reason))
}

func (f frames) Last(reason broker.End) []byte { return f.config.appendLast(nil, reason) }

// Lines are the notices of NDJSON, which has only events and gaps. An empty line keeps the connection alive.
var Lines Notices = lines{}

type lines struct{}

func (lines) Opening(s *broker.Subscriber) []byte { return s.AppendOpening(nil) }

func (lines) Ping(*broker.Subscriber, time.Time) []byte { return []byte{'\n'} }

func (lines) Live() []byte { return nil }

func (lines) Over(uint64, RangeEnd) []byte { return nil }

func (lines) Last(broker.End) []byte { return nil }
