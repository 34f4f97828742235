package persistr

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/broker"
	"sluice/channel"
	"sluice/handlers/httperr"
	"sluice/handlers/writers"
	"sluice/store/eventlog"
	"sluice/store/streams"
)

// Bounds of a selection.
const (
	maxLimit = 1_000_000
	maxTypes = 100
)

// defaultLimit is what the client sends if its caller gave no limit. The client's documentation promises no limit then.
const defaultLimit = 50

// selection is what a reader asks for.
type selection struct {
	database  string
	clock     *eventlog.Clock
	may       channel.Set // what the sender may read of it
	namespace *string     // nil: all
	awaited   bool        // the namespace is not there yet: it comes with the stream's first event
	stream    string      // "": all
	types     []string
	wild      bool   // one of types holds * or ?
	after     uint64 // everything behind it
	last      uint64 // everything up to it; writers.Endless without
	bounded   bool   // to or until: the range ends
	onlyLive  bool   // after=past-events
	caughtUp  bool
	limit     int  // 0: none
	openEnded bool // a limit of defaultLimit may be none of the caller's: see feedLimit
}

// one returns a parameter's value; an empty value counts as absent.
func one(query url.Values, name string) (string, error) {
	values := slices.Compact(slices.Clone(query[name]))
	if len(values) > 1 {
		return "", bad("parameter %s is given twice with different values", name)
	}
	if len(values) == 0 {
		return "", nil
	}
	return values[0], nil
}

// selectors reads the parameters. Those of the path, where it has them, win.
func (h *Handler) selectors(c *call, may channel.Set) (*selection, error) {
	query, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return nil, bad("the query cannot be read: percent-encode everything but letters and digits")
	}
	s := &selection{database: c.name("db"), clock: h.o.Broker.Log().Clock(), may: may, namespace: c.namespaceOf(), last: writers.Endless}
	if s.namespace != nil && *s.namespace == "" && !slices.Contains(c.ParamNames(), "ns") {
		s.namespace = nil // an empty parameter is none
	}
	if s.stream, err = one(query, "stream"); err != nil {
		return nil, err
	}
	if slices.Contains(c.ParamNames(), "stream") {
		s.stream = c.name("stream")
	}
	if s.stream != "" && s.namespace == nil {
		unnamed := ""
		s.namespace = &unnamed
	}
	for _, read := range []func(url.Values) error{s.readTypes, s.readLimit} {
		if err := read(query); err != nil {
			return nil, err
		}
	}
	return s, h.readRange(c.Request().Context(), s, query)
}

func (s *selection) readTypes(query url.Values) error {
	list, err := one(query, "types")
	if err != nil || list == "" {
		return err
	}
	s.types = strings.Split(strings.Clone(list), ",") // parts of their own text, not of the request
	if len(s.types) > maxTypes {
		return bad("parameter types: more than %d", maxTypes)
	}
	wildcards := 0
	for _, t := range s.types {
		switch {
		case t == "":
			return bad("parameter types: one of them is empty")
		case len(t) > streams.MaxName || !utf8.ValidString(t):
			return bad("parameter types: a type has at most %d bytes of UTF-8", streams.MaxName)
		case hasWildcard(t):
			wildcards += len(t)
		}
	}
	if s.wild = wildcards > 0; wildcards > wildcardBytes {
		return bad("parameter types: those with * or ? have %d bytes together; at most %d are allowed", wildcards, wildcardBytes)
	}
	return nil
}

func (s *selection) readLimit(query url.Values) error {
	v, err := one(query, "limit")
	if err != nil || v == "" {
		return err
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil || n < 1 || n > maxLimit {
		return bad("parameter limit must be a whole number from 1 to %d", maxLimit)
	}
	s.limit = int(n)
	return nil
}

// readRange finds the positions that the parameters name. Several parameters make the narrowest range.
func (h *Handler) readRange(ctx context.Context, s *selection, query url.Values) error {
	settled := h.o.Broker.Log().Settled()
	for _, name := range []string{"from", "after", "to", "until"} {
		v, err := one(query, name)
		if err != nil {
			return err
		}
		switch {
		case v == "":
		case name == "after" && v == "past-events":
			s.after, s.onlyLive = max(s.after, settled), true
		case name == "until" && v == "caught-up":
			s.last, s.bounded, s.caughtUp = min(s.last, settled), true, true
		default:
			if err := h.readPosition(ctx, s, name, v); err != nil {
				return err
			}
		}
	}
	// A time just now: what comes yet in its millisecond is not left out.
	s.after = min(s.after, h.o.Broker.Log().Settled())
	s.openEnded = !s.bounded || s.caughtUp && query.Get("to") == ""
	return nil
}

// feedLimit is how many events a feed has, 0 without a bound. Pages of JSON, which the client never asks for, have limit.
func (s *selection) feedLimit() int {
	if s.limit == defaultLimit && s.openEnded {
		return 0
	}
	return s.limit
}

// readPosition reads a time or the id of an event. Events have times in milliseconds, so a time without microseconds means
// all of its millisecond.
func (h *Handler) readPosition(ctx context.Context, s *selection, name, v string) error {
	var first, last uint64
	if at, ok := readPositionText(v); ok {
		if err := h.o.Broker.Log().Await(ctx, at); err != nil { // the page before may be of another gateway
			return err
		}
		first, last = at, at
	} else if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
		if first, last, err = h.moment(ctx, s.database, at, v); err != nil {
			return err
		}
		// An event may have a time in the future after the clock was set back.
		ahead := at.After(time.Now()) && first > h.o.Broker.Log().Settled()
		if at.UnixMicro() < 1 || ahead && (name == "from" || name == "after") {
			return bad("parameter %s: the time %s is before 1970 or in the future", name, v)
		}
	} else {
		at, err := h.o.Catalog.Position(ctx, s.database, s.namespace, s.stream, v)
		if err == nil {
			err = h.readableAt(ctx, s, at)
		}
		if errors.Is(err, streams.ErrNoEvent) {
			return httperr.New(http.StatusNotFound, httperr.EventNotFound, "Event %s not found (parameter %s): give the id of an event, STREAM.ID where no stream is given, or a time like 2026-11-20T13:22:01.000Z", v, name)
		}
		if err != nil {
			return err
		}
		first, last = at, at
	}
	switch name {
	case "from":
		s.after = max(s.after, first-1)
	case "after":
		s.after = max(s.after, last)
	case "to":
		s.last, s.bounded = min(s.last, last), true
	case "until":
		s.last, s.bounded = min(s.last, first-1), true
	}
	return nil
}

// readableAt reports whether the sender may read the event at a position. To others the event looks unknown.
func (h *Handler) readableAt(ctx context.Context, s *selection, at uint64) error {
	if whole(s.may, s.database) {
		return nil
	}
	p, err := h.o.Broker.Log().Read(ctx, &eventlog.Query{Space: streams.Space(s.database), Channels: s.may}, at-1, 1)
	if err == nil && (len(p.Events) == 0 || p.Events[0].ID != at) {
		err = streams.ErrNoEvent
	}
	return err
}

// A position between events, from which a page says to go on, is written as a time of the log's own clock. Its zone, -00:00,
// marks it: RFC 3339, 4.3, has that zone for UTC without a local offset, and no client writes it by chance.
const positionFormat = "2006-01-02T15:04:05.000000-00:00"

func positionText(id uint64) string { return time.UnixMicro(int64(id)).UTC().Format(positionFormat) }

func readPositionText(v string) (id uint64, ok bool) {
	at, err := time.Parse(positionFormat, v)
	return uint64(at.UnixMicro()), err == nil && at.UnixMicro() > 0
}

// moment is what a time stands for: one that is written with more than milliseconds for a microsecond.
func (h *Handler) moment(ctx context.Context, name string, at time.Time, v string) (first, last uint64, err error) {
	if digits(v) > 3 {
		return h.o.Broker.Log().Clock().Place(at), h.o.Broker.Log().Clock().Place(at.Truncate(time.Microsecond).Add(time.Microsecond)) - 1, nil
	}
	return h.o.Catalog.Moment(ctx, name, at)
}

// digits is how many digits of a second a time is written with.
func digits(v string) int {
	i := strings.IndexAny(v, ".,")
	if i < 0 {
		return 0
	}
	fraction := v[i+1:]
	return len(fraction) - len(strings.TrimLeft(fraction, "0123456789"))
}

// filter makes the cursor's filter, limited to what the sender may read.
func (s *selection) filter(may channel.Set) (broker.Filter, error) {
	f := broker.Filter{Channels: may, Encoder: encoder{s.database, s.clock}, Opened: true}
	if c, choice := s.chooser(); c != nil {
		f.Chooser, f.Choice = c, choice
	}
	if s.stream != "" {
		f.Stream = streams.MapStream(value(s.namespace), s.stream)
	}
	if len(s.types) > 0 && !s.wild {
		patterns := make([]channel.Pattern, len(s.types))
		for i, t := range s.types {
			patterns[i] = channel.Pattern{Space: streams.Space(s.database), Left: channel.Side{Kind: channel.Exact, Text: streams.MapType(t)}}
		}
		f.Channels = may.Intersect(channel.NewSet(patterns...))
		if f.Channels.Empty() {
			return f, forbidden("parameter types: this credential may read none of them")
		}
	}
	return f, nil
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
