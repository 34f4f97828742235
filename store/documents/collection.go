package documents

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"sluice/store/eventlog"
)

// collection is what the store knows of a collection:
//
//	not loaded --load counts it--> loaded --outcome of a commit unknown--> not loaded, uncertain
//	loaded, empty and unused --dropEmpty--> dropped
//
// An uncertain collection waits in load until the commit with the unknown outcome can no longer come.
type collection struct {
	using     sync.RWMutex // read-locked during a change, locked while the documents are counted
	loaded    bool
	dropped   bool        // no longer in the Store's map: look there again
	uncertain atomic.Bool // a change with an unknown outcome may still be stored
	mu        sync.Mutex
	count     int64
	bytes     int64
}

// use returns a collection, and counts it first if need be. It makes a new one if there is none. The collection is
// read-locked; the caller must call c.using.RUnlock.
func (s *Store) use(ctx context.Context, name string) (*collection, error) {
	if err := CheckCollection(name); err != nil {
		return nil, err
	}
	for {
		c, err := s.getOrCreate(name)
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

// getOrCreate returns the collection of this name. It makes one if there is none.
func (s *Store) getOrCreate(name string) (*collection, error) {
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

// dropEmpty forgets the collections without documents that nobody uses. It reports whether there were any.
func (s *Store) dropEmpty() (some bool) {
	for name, c := range s.collections {
		if !c.using.TryLock() {
			continue
		}
		if c.loaded && c.count == 0 && !c.uncertain.Load() { // no need for mu: whoever changes count has using
			c.dropped = true
			delete(s.collections, name)
			some = true
		}
		c.using.Unlock()
	}
	return some
}

// load counts a collection's documents while nobody changes it. It goes on if its client leaves. It runs once after a
// start; if it stopped, clients that leave could make the others wait again and again.
func (s *Store) load(ctx context.Context, name string, c *collection) error {
	ctx = context.WithoutCancel(ctx)
	c.using.Lock()
	defer c.using.Unlock()
	if c.loaded || c.dropped {
		return nil
	}
	if c.uncertain.Load() { // the log takes requests in order, so the late change cannot come after this one
		if _, err := s.log.Append(ctx, &eventlog.Request{}); err != nil {
			return fmt.Errorf("%w: an earlier change is not stored yet: %v", eventlog.ErrUnavailable, err) // not ErrUnknown: this change was not sent yet
		}
		c.uncertain.Store(false)
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

// Count is the number of documents in a collection.
func (s *Store) Count(ctx context.Context, name string) (int64, error) {
	s.mu.Lock()
	exists := s.collections[name] != nil
	s.mu.Unlock()
	if !exists {
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

// reserve counts a change in advance, or refuses it. A change that makes the collection smaller is never refused.
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
