package documents

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/store/eventlog"
)

// collection is what a Store knows of a collection. Store.mu guards it.
type collection struct {
	stored totals // as the log has stored them
	sent   totals // by how much changes of this Store that have no outcome yet make it grow
}

// Count is the number of documents in a collection.
func (s *Store) Count(name string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.collections[name].stored.count
}

// follow takes over the counts that the log has stored. It follows rowCounted.
func (s *Store) follow(c eventlog.Changes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, prefix := range c.Dropped {
		for name := range s.collections {
			if strings.HasPrefix(rowCounted+name, prefix) {
				s.put(name, func(c *collection) { c.stored = totals{} })
			}
		}
	}
	for _, r := range c.Rows {
		now, _ := parseCounts(r.Key, r.Value) // a damaged row counts as none until countNew has repaired it
		s.put(now.collection(), func(c *collection) { c.stored = now.totals })
	}
}

// put changes what is known of a collection. Nothing is known of one that is empty and unused. The caller holds mu.
func (s *Store) put(name string, f func(c *collection)) {
	c := s.collections[name]
	if f(&c); c == (collection{}) {
		delete(s.collections, name)
		return
	}
	s.collections[name] = c
}

// reserve makes room for a change that is about to be sent, or refuses it. The caller must call sent after it.
//
// What is stored counts, and what this Store has sent. A change that has just been stored counts twice until its sender
// has its answer, and some of what was sent will be refused. So a change that fits without them waits, and tries again.
func (s *Store) reserve(ctx context.Context, until time.Time, name string, grows totals) error {
	if grows == (totals{}) {
		return nil // so no bound refuses what makes room
	}
	for {
		alone, err := s.tryReserve(name, grows)
		if err == nil || !alone || ctx.Err() != nil || time.Now().After(until) {
			return err
		}
		if err := s.await(ctx); err != nil {
			return err
		}
	}
}

// tryReserve is one try of reserve. If it refuses the change, alone reports whether the change would fit alone.
func (s *Store) tryReserve(name string, grows totals) (alone bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, there := s.collections[name]
	if !there && len(s.collections) >= s.o.MaxCollections {
		return s.filled() < s.o.MaxCollections, &LimitError{"there would be more than %d collections", int64(s.o.MaxCollections), MaxCollections}
	}
	least := c.stored.plus(grows)
	most := least.plus(c.sent)
	switch {
	case grows.count > 0 && most.count > s.o.MaxDocuments:
		return least.count <= s.o.MaxDocuments, &LimitError{"the collection would have more than %d documents", s.o.MaxDocuments, MaxDocuments}
	case grows.bytes > 0 && most.bytes > s.o.MaxBytes:
		return least.bytes <= s.o.MaxBytes, &LimitError{"the collection would have more than %d bytes", s.o.MaxBytes, MaxCollectionBytes}
	}
	s.put(name, func(c *collection) { c.sent = c.sent.plus(grows) })
	return true, nil
}

// filled is the number of collections with documents.
func (s *Store) filled() (n int) {
	for _, c := range s.collections {
		if c.stored.count > 0 {
			n++
		}
	}
	return n
}

// sent ends a reservation when the outcome of the change is err. If it is unknown, await ends it.
func (s *Store) sent(name string, grows totals, err error) {
	if grows == (totals{}) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, eventlog.ErrUnknown) {
		s.unknown[name] = s.unknown[name].plus(grows)
		return
	}
	s.put(name, func(c *collection) { c.sent = c.sent.minus(grows) })
}

// await waits until all that was sent to the log before has an outcome, and is followed. It ends the reservations of
// changes whose senders gave up.
func (s *Store) await(ctx context.Context) error {
	s.mu.Lock()
	unknown := s.unknown
	s.unknown = map[string]totals{}
	s.mu.Unlock()
	// An empty request overtakes no other. It makes nothing larger, so a full disk takes it.
	_, err := s.log.Append(ctx, &eventlog.Request{FromReserve: true})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		for name, grows := range unknown {
			s.unknown[name] = s.unknown[name].plus(grows)
		}
		return fmt.Errorf("%w: an earlier change is not stored yet: %v", eventlog.ErrUnavailable, err) // not ErrUnknown: this change was not sent yet
	}
	for name, grows := range unknown {
		s.put(name, func(c *collection) { c.sent = c.sent.minus(grows) })
	}
	return nil
}
