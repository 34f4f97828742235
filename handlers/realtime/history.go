package realtime

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sluice/broker"
	"sluice/channel"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/store/eventlog"
)

// Bounds of a selection.
const (
	maxLimit = 1_000_000
	maxTypes = 100
)

// selection is what the parameters of history ask for.
type selection struct {
	stream string
	types  []string
	begin  bound // of from or after; its kind is boundNone without them
	end    bound // of to or until
	limit  int
	any    bool // there was a parameter of history
}

// bound is one end of a range, as a request names it.
type bound struct {
	kind  boundKind
	param string
	id    uint64    // of boundLast: how many events from the end
	at    time.Time // of boundTime
	text  string    // of boundID: the id as it was written
}

type boundKind int

const (
	boundNone boundKind = iota
	boundID
	boundTime
	boundEarliest
	boundNow
	boundLast // N events from the end
	boundCaughtUp
)

// selectors reads the parameters. Each may be given once, and only one of from and after, and of to and until.
func selectors(query url.Values) (s selection, err error) {
	one := func(name string) (string, bool, error) {
		values, ok := query[name]
		if !ok {
			return "", false, nil
		}
		s.any = true
		if len(values) > 1 {
			return "", false, badParameter(name, "is given twice")
		}
		if values[0] == "" {
			return "", false, badParameter(name, "is empty; leave it out")
		}
		return values[0], true, nil
	}
	for _, name := range [...]string{"stream", "types", "limit", "from", "after", "to", "until"} {
		v, ok, err := one(name)
		if err == nil && ok {
			err = s.set(name, v)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *selection) set(name, v string) error {
	switch name {
	case "stream":
		if err := channel.CheckName(v); err != nil {
			return badParameter(name, "%v", err)
		}
		s.stream = v
	case "types":
		for t := range strings.SplitSeq(v, ",") {
			t, _ = channel.Event(t)
			if err := channel.CheckEvent(t); err != nil {
				return badParameter(name, "%v", err)
			}
			s.types = append(s.types, t)
		}
		if len(s.types) > maxTypes {
			return badParameter(name, "more than %d names", maxTypes)
		}
	case "limit":
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil || n < 1 || n > maxLimit {
			return badParameter(name, "must be a whole number from 1 to %d", maxLimit)
		}
		s.limit = int(n)
	case "from", "after":
		return s.setBound(&s.begin, name, v)
	default:
		return s.setBound(&s.end, name, v)
	}
	return nil
}

func (s *selection) setBound(p *bound, name, v string) error {
	if p.kind != boundNone {
		return badParameter(name, "cannot be combined with %s; give one of them", p.param)
	}
	p.param = name
	begins := p == &s.begin
	switch {
	case begins && v == "earliest":
		p.kind = boundEarliest
	case begins && (v == "now" || v == "past-events"):
		p.kind = boundNow
	case name == "until" && v == "caught-up":
		p.kind = boundCaughtUp
	case begins && len(v) > 1 && v[0] == '-':
		n, err := strconv.ParseUint(v[1:], 10, 64)
		if err != nil || n < 1 || n > maxLimit {
			return badParameter(name, "-N must be a whole number from -1 to -%d", maxLimit)
		}
		p.kind, p.id = boundLast, n
	default:
		if id, ok := eventlog.ParseID(v); ok {
			p.kind, p.id, p.text = boundID, id, v
			break
		}
		at, err := time.Parse(time.RFC3339Nano, v)
		if err != nil || at.UnixMicro() < 1 {
			return badParameter(name, "must be an id, an RFC 3339 time like 2026-11-20T13:22:01Z%s", also(begins, name))
		}
		p.kind, p.at = boundTime, at.Truncate(time.Microsecond)
	}
	return nil
}

// find turns a time into an id: of the last event up to it, or of the first event that is not before it.
func (p *bound) find(clock *eventlog.Clock) {
	switch {
	case p.kind != boundTime:
	case p.param == "after" || p.param == "to":
		p.id = clock.Place(p.at.Add(time.Microsecond)) - 1
	default:
		p.id = clock.Place(p.at)
	}
}

func also(begins bool, name string) string {
	switch {
	case begins:
		return ", earliest, now, or -N"
	case name == "until":
		return ", or caught-up"
	}
	return ""
}

// rangeOf turns a selection into the begin of the cursor and the end of the stream. exhausted reports that the range has no
// events and never will.
func (h *Handler) rangeOf(ctx context.Context, s *selection, f *broker.Filter) (r *writers.Range, exhausted bool, err error) {
	log := h.o.Broker.Log()
	seen, told := eventlog.ParseID(f.LastEventID)
	if err := log.Await(ctx, seen); err != nil {
		return nil, false, err
	}
	settled := log.Settled()
	s.begin.find(log.Clock())
	s.end.find(log.Clock())
	r = &writers.Range{Last: s.last(settled), Limit: s.limit, Reason: writers.RangeEnd(s.end.param)}
	if r.Left(log) <= 0 {
		if err := log.Barrier(ctx); err != nil { // its last events may be on their way to this gateway
			return nil, false, err
		}
		settled = log.Settled()
		r.Last = min(r.Last, settled) // its time is over: nothing joins it any more
	}
	start, err := h.begin(ctx, s, f)
	if err != nil {
		return nil, false, err
	}
	f.Start = &start
	// A client with an id at or after the end has read the range, even if that position is gone by now. An id ahead of the
	// log is from another log.
	if told && seen >= r.Last && seen <= settled {
		return r, true, nil
	}
	return r, start.Gap == eventlog.NoGap && start.After >= r.Last, nil
}

// last returns the position at which the range is read.
func (s *selection) last(settled uint64) uint64 {
	switch {
	case s.end.kind == boundNone:
		return writers.Endless
	case s.end.kind == boundCaughtUp:
		return settled
	case s.end.param == "until" && s.end.id > 0:
		return s.end.id - 1
	}
	return s.end.id
}

// begin returns where the cursor begins. A client that comes back goes on at its last id.
func (h *Handler) begin(ctx context.Context, s *selection, f *broker.Filter) (start eventlog.Start, err error) {
	b, spaces := h.o.Broker, f.Channels.Spaces()
	if f.LastEventID != "" {
		return b.Locate(ctx, spaces, f.LastEventID)
	}
	now := eventlog.Start{After: b.Log().Settled()}
	switch s.begin.kind {
	case boundID, boundTime:
		after := s.begin.id
		if s.begin.param == "from" {
			after = max(1, after) - 1
		}
		if s.begin.kind == boundTime && after > now.After && s.begin.at.After(time.Now()) {
			return start, badParameter(s.begin.param, "is in the future; leave it out for events to come")
		}
		if s.begin.kind == boundTime {
			after = min(after, now.After)
		}
		f.Asked = s.begin.text
		return b.Begin(ctx, spaces, after)
	case boundNone, boundEarliest:
		return b.Earliest(spaces)
	case boundLast:
		first, err := b.Earliest(spaces)
		if err != nil {
			return start, err
		}
		now.Passed = first.Passed
		if now.After, err = b.LastN(ctx, f, int(s.begin.id)); err != nil {
			return start, err
		}
	}
	return now, nil
}

// wantsLines reports whether Accept names NDJSON.
func wantsLines(r *http.Request) bool { return traffic.Accepts(r, writers.NDJSON) }
