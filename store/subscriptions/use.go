package subscriptions

import (
	"context"
	"fmt"
	"time"

	"sluice/store/rows"
)

// Use returns the list of an owner's name. The name stays while it is in use: until release is called, and for Life after
// that. The error is ErrUnknown if the owner has no such name.
func (s *Store) Use(ctx context.Context, ownerText, name string) (list string, release func(), err error) {
	if !isName(name) {
		return "", nil, ErrUnknown
	}
	of, found := ownerOf(ownerText), false
	err = s.log.Again(ctx, func() bool {
		found = s.enter(of, name)
		return found
	})
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("looking for the name of a subscription: %w", err)
	case !found:
		return "", nil, ErrUnknown
	}
	text, err := s.log.Row(rows.Channels + name)
	if err != nil {
		s.leave(name)
		return "", nil, fmt.Errorf("reading a subscription: %w", err)
	}
	if text == nil { // it ended just now
		s.leave(name)
		return "", nil, ErrUnknown
	}
	return string(text), func() { s.leave(name) }, nil
}

func (s *Store) enter(of owner, name string) bool {
	now := s.from(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.of[name]
	if one == nil || one.owner != of || one.until <= now && !one.used && s.open[name] == 0 {
		return false
	}
	one.used = true
	s.open[name]++
	if one.until < now+uint64(Life.Microseconds()) { // other gateways must learn soon that it stays
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return true
}

func (s *Store) leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.of[name]; one != nil {
		one.used = true
	}
	if s.open[name]--; s.open[name] == 0 {
		delete(s.open, name)
	}
}

// from returns the log's time after d.
func (s *Store) from(d time.Duration) uint64 { return s.log.Clock().Now() + uint64(d.Microseconds()) }
