package document

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/broker/document/query"
	"sluice/broker/eventlog"
)

// Options of a Store; zero values take the defaults named.
type Options struct {
	Indexes        map[string][]string // fields with an index, by collection; none
	MaxDocument    int                 // bytes of a document; 64 KiB
	MaxDocuments   int64               // of a collection; 1,000,000
	MaxBytes       int64               // of a collection's documents; 1 GiB
	MaxCollections int                 // 1,000
	MaxResult      int64               // bytes of the documents of one answer; 16 MiB
	QueryTime      time.Duration       // 2 s
	Now            func() time.Time    // time.Now
	Logger         *slog.Logger
}

func (o *Options) defaults() {
	orDefault(&o.MaxDocument, 64<<10)
	orDefault(&o.MaxDocuments, 1_000_000)
	orDefault(&o.MaxBytes, 1<<30)
	orDefault(&o.MaxCollections, 1000)
	orDefault(&o.MaxResult, 16<<20)
	orDefault(&o.QueryTime, 2*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func orDefault[T comparable](v *T, d T) {
	var none T
	if *v == none {
		*v = d
	}
}

// shards is how many locks documents share.
const shards = 256

// Store keeps documents.
type Store struct {
	log     *eventlog.Log
	o       Options
	indexes map[string][]query.Field
	ids     ids
	scans   chan struct{} // a slot for each query that looks at many documents: half the processors are for others
	seed    maphash.Seed
	locks   [shards]chan struct{}

	mu          sync.Mutex
	collections map[string]*collection
}

// collection is what is known of one.
type collection struct {
	using  sync.RWMutex // held for reading while a change is under way, for writing while it is counted
	loaded bool
	gone   bool // forgotten: there may be another one of its name
	late   bool // a change whose outcome is unknown may come yet
	mu     sync.Mutex
	count  int64
	bytes  int64
}

// Open finds the collections, and builds the indexes that are new and takes away those that are declared no more. It
// is called before the log is written to.
func Open(ctx context.Context, log *eventlog.Log, o Options) (*Store, error) {
	o.defaults()
	s := &Store{
		log: log, o: o, indexes: map[string][]query.Field{}, scans: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		seed: maphash.MakeSeed(), collections: map[string]*collection{},
	}
	for i := range s.locks {
		s.locks[i] = make(chan struct{}, 1)
	}
	for name, fields := range o.Indexes {
		if err := CheckCollection(name); err != nil {
			return nil, fmt.Errorf("an index of %q: %w", name, err)
		}
		for _, path := range slices.Compact(slices.Sorted(slices.Values(fields))) {
			f, err := query.ParseField(path)
			if err != nil {
				return nil, fmt.Errorf("an index of %q: %w", name, err)
			}
			s.indexes[name] = append(s.indexes[name], f)
		}
	}
	if err := s.find(ctx); err != nil {
		return nil, fmt.Errorf("looking for collections: %w", err)
	}
	if err := s.build(ctx); err != nil {
		return nil, fmt.Errorf("building indexes: %w", err)
	}
	return s, nil
}

// find finds the collections by one step for each.
func (s *Store) find(ctx context.Context) error {
	return s.log.View(ctx, func(v eventlog.View) error {
		for from := rowDocument; ; {
			name := ""
			err := v.Scan(from, end(rowDocument), false, func(key, _ []byte) (bool, error) {
				name, _, _ = strings.Cut(string(key[len(rowDocument):]), "/")
				return false, nil
			})
			if err != nil || name == "" {
				return err
			}
			s.collections[name] = &collection{}
			from = end(documents(name))
		}
	})
}

// Collections are the names of those that have a document, and of some that had one.
func (s *Store) Collections() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.collections))
	for name := range s.collections {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// use finds a collection, or makes one, and counts it. The caller holds its using for reading until release.
func (s *Store) use(ctx context.Context, name string) (*collection, error) {
	if err := CheckCollection(name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	c := s.collections[name]
	if c == nil {
		if len(s.collections) >= s.o.MaxCollections && !s.forgetEmpty() {
			s.mu.Unlock()
			return nil, &LimitError{"there would be more than %d collections", int64(s.o.MaxCollections), "MAX_COLLECTIONS"}
		}
		c = &collection{loaded: true}
		s.collections[name] = c
	}
	s.mu.Unlock()
	for {
		c.using.RLock()
		gone := c.gone
		if c.loaded && !gone {
			return c, nil
		}
		c.using.RUnlock()
		if gone {
			return s.use(ctx, name)
		}
		if err := s.load(ctx, name, c); err != nil {
			return nil, fmt.Errorf("counting %s: %w", name, err)
		}
	}
}

// forgetEmpty makes room for a collection: by one that has no document, if it is known and nobody is using it. The
// caller holds mu, so it waits for nothing.
func (s *Store) forgetEmpty() bool {
	for name, c := range s.collections {
		if !c.using.TryLock() {
			continue
		}
		c.gone = c.loaded && !c.late && c.count == 0
		c.using.Unlock()
		if c.gone {
			delete(s.collections, name)
			return true
		}
	}
	return false
}

// load counts a collection, while nobody changes it.
func (s *Store) load(ctx context.Context, name string, c *collection) error {
	c.using.Lock()
	defer c.using.Unlock()
	if c.loaded {
		return nil
	}
	if c.late { // the log takes in order: behind this nothing comes any more
		if _, err := s.log.Append(ctx, &eventlog.Request{}); err != nil {
			return fmt.Errorf("%w: an earlier change waits to be stored: %v", eventlog.ErrUnavailable, err) // not ErrUnknown: nothing is asked yet
		}
		c.late = false
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
		return &LimitError{"the collection would have more than %d documents", s.o.MaxDocuments, "MAX_DOCUMENTS"}
	case bytes > 0 && c.bytes+bytes > s.o.MaxBytes:
		return &LimitError{"the collection would have more than %d bytes", s.o.MaxBytes, "MAX_COLLECTION_BYTES"}
	}
	c.count += count
	c.bytes += bytes
	return nil
}

// lock takes the shards of some documents, in order, so that no two wait for each other.
func (s *Store) lock(ctx context.Context, name string, ids []string) (unlock func(), err error) {
	places := make([]int, len(ids))
	for i, id := range ids {
		var h maphash.Hash
		h.SetSeed(s.seed)
		h.WriteString(name)
		h.WriteByte(0)
		h.WriteString(id)
		places[i] = int(h.Sum64() % shards)
	}
	slices.Sort(places)
	places = slices.Compact(places)
	held := 0
	unlock = func() {
		for _, p := range places[:held] {
			<-s.locks[p]
		}
	}
	for _, p := range places {
		select {
		case s.locks[p] <- struct{}{}:
			held++
		case <-ctx.Done():
			unlock()
			return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
		}
	}
	return unlock, nil
}
