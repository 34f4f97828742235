package documents

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/store/documents/query"
	"sluice/store/eventlog"
	"sluice/store/share"
)

// Options of a Store; zero values take the defaults named.
type Options struct {
	Indexes        map[string][]string // fields with an index, by collection; none
	MaxDocument    int                 // bytes of a document; 64 KiB
	MaxDocuments   int64               // of a collection; 1,000,000
	MaxBytes       int64               // of a collection's documents; 1 GiB
	MaxCollections int                 // 1,000
	MaxResult      int64               // bytes of the documents of one answer; 16 MiB
	Answers        *share.Answers      // the memory of answers; one of the store's own
	QueryTime      time.Duration       // 2 s, without the time that it waits for its turn
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

// shards is how many locks documents share.
const shards = 256

// Store keeps documents.
type Store struct {
	log     *eventlog.Log
	o       Options
	indexes map[string][]query.Field
	ids     ids
	queries *share.Slots   // for queries that have looked at few documents yet: one a processor
	crowds  *share.Slots   // for those of owners whose scans wait already: one
	scans   *share.Slots   // for those that look at many: half the processors are for others
	bulk    *share.Slots   // for changes of many documents, which lock most shards
	answers *share.Answers // bytes that answers hold
	seed    maphash.Seed
	locks   [shards]chan struct{}

	mu          sync.Mutex
	collections map[string]*collection
}

// Open finds the collections, and builds the indexes that are new and takes away those that are declared no more. It
// is called before the log is written to.
func Open(ctx context.Context, log *eventlog.Log, o Options) (*Store, error) {
	o.defaults()
	s := &Store{
		log: log, o: o, indexes: map[string][]query.Field{}, queries: share.NewSlots(runtime.GOMAXPROCS(0), math.MaxInt),
		crowds: share.NewSlots(1, math.MaxInt), scans: share.NewSlots(max(1, runtime.GOMAXPROCS(0)/2), scansWaiting),
		bulk: share.NewSlots(1, math.MaxInt), answers: o.Answers, seed: maphash.MakeSeed(), collections: map[string]*collection{},
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

// bulkLeast is how many documents a change has that takes turns with others as large: two such would have all who write
// wait for both. They take turns by owner, so that whoever changes one document waits for one bulk change.
const bulkLeast = 16

// lock takes the shards of some documents, in order, so that no two wait for each other.
func (s *Store) lock(ctx context.Context, name string, ids []string) (unlock func(), err error) {
	leave := func() {}
	if len(ids) >= bulkLeast {
		if leave, err = s.bulk.Acquire(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBusy, err)
		}
	}
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
		leave()
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
