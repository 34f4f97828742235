package persistr

import (
	"strings"

	"sluice/broker"
	"sluice/handlers/traffic"
)

// own copies the selection's texts. Otherwise they would keep the whole request in memory, which they are parts of.
func (s *selection) own() {
	s.database, s.stream = strings.Clone(s.database), strings.Clone(s.stream)
	if s.namespace != nil {
		ns := strings.Clone(*s.namespace)
		s.namespace = &ns
	}
}

// size estimates how many bytes of memory the selection takes, with a matcher for its types.
func (s *selection) size() int64 {
	n := int64(len(s.database) + len(s.stream) + len(value(s.namespace)))
	for _, kind := range s.types {
		n += 64 + 3*int64(len(kind))
	}
	return n
}

// enter admits a feed and charges its memory to its credential.
func enter(l *traffic.Lease, f *broker.Filter, s *selection) error {
	if err := l.Enter(); err != nil {
		return err
	}
	if err := l.HoldFilter(f, traffic.FreeFilter); err != nil {
		return err
	}
	return l.Account(traffic.FreeFilter).Take(s.size())
}
