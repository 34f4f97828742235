package documents

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"sluice/store/documents/query"
	"sluice/store/eventlog"
	"sluice/store/share"
)

// Options of a Store. Zero values mean the defaults named here.
type Options struct {
	Indexes        map[string][]string // fields with an index, by collection; none
	MaxDocument    int                 // bytes of a document; 64 KiB
	MaxDocuments   int64               // in a collection; 1,000,000
	MaxBytes       int64               // of a collection's documents; 1 GiB
	MaxCollections int                 // 1,000
	MaxResult      int64               // bytes of the documents of one answer; 16 MiB
	Answers        *share.Answers      // the memory for answers; the default is the store's own
	QueryTime      time.Duration       // 2 s; time spent waiting for a turn does not count
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
	if o.Answers == nil {
		o.Answers = NewAnswers(o.MaxResult, 32<<20)
	}
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

// shards is the number of locks that documents share.
const shards = 256

// Store stores documents.
type Store struct {
	log          *eventlog.Log
	o            Options
	indexes      map[string][]query.Field
	ids          ids
	queries      *share.Slots   // for queries that have examined few documents so far: one for each processor
	crowdQueries *share.Slots   // for queries of owners with many waiting scans: one
	scans        *share.Slots   // for queries that examine many documents: half of the processors
	bulk         *share.Slots   // for changes of many documents, which lock most shards
	answers      *share.Answers // memory of answers
	seed         maphash.Seed
	locks        [shards]chan struct{}

	mu          sync.Mutex
	collections map[string]collection
	unknown     map[string]totals // the part of collection.sent whose senders gave up
}

// Open builds new indexes and drops those that are no longer declared. Call it before anybody writes to the log, unless
// another Store with the same indexes is open on it.
func Open(ctx context.Context, log *eventlog.Log, o Options) (*Store, error) {
	o.defaults()
	s := &Store{
		log: log, o: o, indexes: map[string][]query.Field{}, queries: share.NewSlots(runtime.GOMAXPROCS(0), math.MaxInt),
		crowdQueries: share.NewSlots(1, math.MaxInt), scans: share.NewSlots(max(1, runtime.GOMAXPROCS(0)/2), scansWaiting),
		bulk: share.NewSlots(1, math.MaxInt), answers: o.Answers, seed: maphash.MakeSeed(), collections: map[string]collection{},
		unknown: map[string]totals{},
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
	log.Derive(rowDocument, s.derive)
	if err := log.Follow(rowCounted, s.follow); err != nil {
		return nil, fmt.Errorf("looking for collections: %w", err)
	}
	if err := s.build(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// minBulk is the size from which changes take turns. Two large changes at once would make all other writers wait for
// both. They take turns by owner, so a writer of one document waits for at most one bulk change.
const minBulk = 16

// lock locks the shards of some documents, in ascending order, so that no two callers block each other.
func (s *Store) lock(ctx context.Context, name string, ids []string) (unlock func(), err error) {
	leave := func() {}
	if len(ids) >= minBulk {
		if leave, err = s.bulk.Acquire(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBusy, err)
		}
	}
	wanted := make([]int, len(ids))
	for i, id := range ids {
		var h maphash.Hash
		h.SetSeed(s.seed)
		h.WriteString(name)
		h.WriteByte(0)
		h.WriteString(id)
		wanted[i] = int(h.Sum64() % shards)
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	locked := 0
	unlock = func() {
		for _, shard := range wanted[:locked] {
			<-s.locks[shard]
		}
		leave()
	}
	for _, shard := range wanted {
		select {
		case s.locks[shard] <- struct{}{}:
			locked++
		case <-ctx.Done():
			unlock()
			return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
		}
	}
	return unlock, nil
}
