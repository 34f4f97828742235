package persistr

import (
	"strings"

	"sluice/broker"
	"sluice/store/eventlog"
	"sluice/store/streams"
)

// chooser selects the events of a feed where channels cannot: by namespace, and by types with wildcards.
type chooser struct {
	within    bool   // only of one namespace
	namespace string // as the names of its streams begin; "" is the unnamed one, whose names hold no slash
	types     map[string]bool
	wildcards *wildcards // nil: any type
}

var _ broker.Chooser = (*chooser)(nil)

// Wants reports whether an event is for the feed.
func (c *chooser) Wants(e *eventlog.Event) bool {
	if c.within && (!strings.HasPrefix(e.Stream, c.namespace) || c.namespace == "" && strings.Contains(e.Stream, "/")) {
		return false
	}
	if c.wildcards == nil {
		return true
	}
	kind := streams.TypeOf(e)
	return c.types[kind] || c.wildcards.match(kind)
}

// chooser is the selection's, and a text that is equal for those that choose the same; nil, where there is nothing to
// choose.
func (s *selection) chooser() (*chooser, string) {
	c := &chooser{within: s.stream == "" && s.namespace != nil}
	if !c.within && !s.wild {
		return nil, ""
	}
	choice := "all\n"
	if c.within {
		c.namespace = streams.MapNamespace(*s.namespace)
		choice = "of " + c.namespace + "\n" // no mapped name holds a line end
	}
	if s.wild {
		choice += strings.Join(s.types, ",")
		c.types = map[string]bool{}
		var patterns []string
		for _, t := range s.types {
			if hasWildcard(t) {
				patterns = append(patterns, t)
			} else {
				c.types[t] = true
			}
		}
		c.wildcards = newWildcards(patterns)
	}
	return c, choice
}

func hasWildcard(kind string) bool { return strings.ContainsAny(kind, "*?") }
