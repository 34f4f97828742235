package persistr

import (
	"errors"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/broker"
	"sluice/broker/channel"
	"sluice/broker/database"
	"sluice/handlers/stream"
)

// Bounds of a selection.
const (
	maxLimit = 1_000_000
	maxTypes = 100
)

// usualLimit is what the client sends where its caller gave no limit, which is promised to mean none.
const usualLimit = 50

// selection is what a reader asks for.
type selection struct {
	database  string
	namespace *string // nil: all
	stream    string  // "": all
	types     []string
	globs     string // those of types with * or ?, comma-separated
	after     uint64 // everything behind it
	last      uint64 // everything up to it; stream.Endless without
	bounded   bool   // to or until: the range ends
	onlyLive  bool   // after=past-events
	caughtUp  bool
	limit     int // 0: none
}

// one is a parameter's value; an empty one counts as absent.
func one(query url.Values, name string) (string, error) {
	values := slices.Compact(slices.Clone(query[name]))
	if len(values) > 1 {
		return "", bad("parameter %s is there with different values", name)
	}
	if len(values) == 0 {
		return "", nil
	}
	return values[0], nil
}

// selectors reads the parameters. Those of the path, where it has them, win.
func (h *Handler) selectors(c *call) (*selection, error) {
	query, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return nil, bad("the query cannot be read: percent-encode what is not a letter or digit")
	}
	s := &selection{database: c.name("db"), namespace: c.namespaceOf(), last: stream.Endless}
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
	return s, h.readRange(s, query)
}

func (s *selection) readTypes(query url.Values) error {
	list, err := one(query, "types")
	if err != nil || list == "" {
		return err
	}
	s.types = strings.Split(list, ",")
	if len(s.types) > maxTypes {
		return bad("parameter types: more than %d", maxTypes)
	}
	if slices.Contains(s.types, "") {
		return bad("parameter types: one of them is empty")
	}
	if strings.ContainsAny(list, "*?") {
		s.globs = list
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

// readRange finds the places that the parameters speak of. Several of them make the narrowest range.
func (h *Handler) readRange(s *selection, query url.Values) error {
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
			if err := h.readPlace(s, name, v); err != nil {
				return err
			}
		}
	}
	// A time just now: what comes yet in its millisecond is not left out.
	s.after = min(s.after, settled)
	if s.limit == usualLimit && (!s.bounded || s.caughtUp && query.Get("to") == "") {
		s.limit = 0
	}
	return nil
}

// readPlace reads a time or the id of an event. Times are those of events, which have milliseconds: one with no
// more stands for all of its millisecond.
func (h *Handler) readPlace(s *selection, name, v string) error {
	var first, last uint64
	if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
		if at.UnixMicro() < 1 || at.After(time.Now()) && (name == "from" || name == "after") {
			return bad("parameter %s: the time %s is before 1970 or lies ahead", name, v)
		}
		first = uint64(at.UnixMicro())
		if last = first; at.Equal(at.Truncate(time.Millisecond)) {
			last = first + 999
		}
	} else {
		at, err := h.o.Catalog.Position(s.database, s.namespace, s.stream, v)
		if errors.Is(err, database.ErrNoEvent) {
			return fail(404, "EventNotFound", "Event %s not found (parameter %s): give the id of an event, STREAM.ID where no stream is given, or a time like 2026-11-20T13:22:01.000Z", v, name)
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

// filter is what the cursor is asked for, of what the sender may read.
func (s *selection) filter(may channel.Set) (broker.Filter, error) {
	f := broker.Filter{Channels: may, Encoder: s.encoder()}
	if s.stream != "" {
		f.Stream = database.MapStream(value(s.namespace), s.stream)
	}
	if len(s.types) > 0 && s.globs == "" {
		patterns := make([]channel.Pattern, len(s.types))
		for i, t := range s.types {
			patterns[i] = channel.Pattern{Space: database.Space(s.database), Left: channel.Side{Kind: channel.Exact, Text: database.MapType(t)}}
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

func (s *selection) encoder() encoder {
	e := encoder{database: s.database, globs: s.globs}
	if s.stream == "" && s.namespace != nil {
		e.within, e.namespace = true, database.MapNamespace(*s.namespace)
	}
	return e
}

// matches says whether a type is like one of some, comma-separated, with * and ?.
func matches(globs, kind string) bool {
	for glob := range strings.SplitSeq(globs, ",") {
		if ok, err := path.Match(literal.Replace(glob), slashes.Replace(kind)); ok && err == nil {
			return true
		}
	}
	return false
}

// path.Match knows [ and \ too, and its * stops at a slash: what is no * or ? stands for itself here.
var (
	literal = strings.NewReplacer(`\`, `\\`, "[", `\[`, "/", "\x00")
	slashes = strings.NewReplacer("/", "\x00")
)
