package persistr

import (
	"strings"

	"sluice/broker"
	"sluice/handlers/traffic"
)

// own lets the selection hold on to its own texts only, not to the request that they are parts of.
func (s *selection) own() {
	s.database, s.stream = strings.Clone(s.database), strings.Clone(s.stream)
	if s.namespace != nil {
		ns := strings.Clone(*s.namespace)
		s.namespace = &ns
	}
}

// size returns about how many bytes the selection takes, with a matcher of its types.
func (s *selection) size() int64 {
	n := int64(len(s.database) + len(s.stream) + len(value(s.namespace)))
	for _, kind := range s.types {
		n += 64 + 3*int64(len(kind))
	}
	return n
}

// enter lets a feed in and charges what it holds to its credential. The caller calls leave at its end.
func (h *Handler) enter(scope string, f *broker.Filter, s *selection) (leave func(), err error) {
	t := h.o.Traffic
	if over := t.EnterStream(scope); over != nil {
		return nil, over
	}
	release, err := t.HoldFilter(scope, f, traffic.FreeFilter)
	if err != nil {
		t.LeaveStream(scope)
		return nil, err
	}
	account := t.Memory.AccountAbove(scope, traffic.FreeFilter)
	leave = func() {
		account.Close()
		if release != nil {
			release()
		}
		t.LeaveStream(scope)
	}
	if err := account.Take(s.size()); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}
