package documents

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"sluice/store/eventlog"
)

// collection is what is known of one.
type collection struct {
	using   sync.RWMutex // held for reading while a change is under way, for writing while it is counted
	loaded  bool
	dropped bool        // it is not in the Store's map any more: look there again
	late    atomic.Bool // a change whose outcome is unknown may come yet
	mu      sync.Mutex
	count   int64
	bytes   int64
}

// use finds a collection, or makes one, and counts it. The caller holds its using for reading until release.
func (s *Store) use(ctx context.Context, name string) (*collection, error) {
	if err := CheckCollection(name); err != nil {
		return nil, err
	}
	for {
		c, err := s.known(name)
		if err != nil {
			return nil, err
		}
		c.using.RLock()
		if c.loaded && !c.dropped {
			return c, nil
		}
		c.using.RUnlock()
		if err := s.load(ctx, name, c); err != nil {
			return nil, fmt.Errorf("counting %s: %w", name, err)
		}
	}
}

// known gives a collection, made where there is none.
func (s *Store) known(name string) (*collection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.collections[name]
	if c != nil {
		return c, nil
	}
	if len(s.collections) >= s.o.MaxCollections && !s.dropEmpty() {
		return nil, &LimitError{"there would be more than %d collections", int64(s.o.MaxCollections), MaxCollections}
	}
	c = &collection{loaded: true}
	s.collections[name] = c
	return c, nil
}

// dropEmpty forgets the collections that have no document and that nobody uses, and says whether there were any.
func (s *Store) dropEmpty() (some bool) {
	for name, c := range s.collections {
		if !c.using.TryLock() {
			continue
		}
		if c.loaded && c.count == 0 && !c.late.Load() { // mu is not needed: who counts holds using
			c.dropped = true
			delete(s.collections, name)
			some = true
		}
		c.using.Unlock()
	}
	return some
}

// load counts a collection, while nobody changes it. Once begun it goes on without its client: it is done once after a
// start, and nobody makes the others wait for it again and again by going away.
func (s *Store) load(ctx context.Context, name string, c *collection) error {
	ctx = context.WithoutCancel(ctx)
	c.using.Lock()
	defer c.using.Unlock()
	if c.loaded || c.dropped {
		return nil
	}
	if c.late.Load() { // the log takes in order: behind this nothing comes any more
		if _, err := s.log.Append(ctx, &eventlog.Request{}); err != nil {
			return fmt.Errorf("%w: an earlier change waits to be stored: %v", eventlog.ErrUnavailable, err) // not ErrUnknown: nothing is asked yet
		}
		c.late.Store(false)
	}
	c.count, c.bytes = 0, 0
	base := documents(name)
	err := s.log.View(ctx, func(v eventlog.View) error {
		return v.Scan(base, end(base), false, func(_, text []byte) (bool, error) {
			c.count++
			c.bytes += int64(len(text))
			return true, nil
		})
	})
	c.loaded = err == nil
	return err
}

// Count is how many documents a collection has.
func (s *Store) Count(ctx context.Context, name string) (int64, error) {
	s.mu.Lock()
	known := s.collections[name] != nil
	s.mu.Unlock()
	if !known {
		return 0, nil
	}
	c, err := s.use(ctx, name)
	if err != nil {
		return 0, err
	}
	defer c.using.RUnlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count, nil
}

// reserve counts a change in advance, or refuses it. Who makes a collection smaller always may.
func (s *Store) reserve(c *collection, count, bytes int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case count > 0 && c.count+count > s.o.MaxDocuments:
		return &LimitError{"the collection would have more than %d documents", s.o.MaxDocuments, MaxDocuments}
	case bytes > 0 && c.bytes+bytes > s.o.MaxBytes:
		return &LimitError{"the collection would have more than %d bytes", s.o.MaxBytes, MaxCollectionBytes}
	}
	c.count += count
	c.bytes += bytes
	return nil
}
