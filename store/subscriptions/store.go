package subscriptions

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"sluice/store/eventlog"
	"sluice/store/rows"
)

// Life is how long a name stays at least after its last use.
const Life = 10 * time.Minute

// A name is stored for longer than Life, and renewed when less than renewBelow is left. So the use of a name costs one small
// write in five minutes, however many streams use it, and a renewal that fails can be tried again.
const (
	storedFor   = 2 * Life
	renewBelow  = Life + Life/2
	lookEvery   = Life / 10
	removeAfter = 3 * lookEvery // after its end: a gateway that has just used it renews it first
)

// Gone is the time after which a name that nobody uses any more has surely been removed.
const Gone = storedFor + removeAfter + lookEvery

// overhead is what a name counts besides its list.
const overhead = 1 << 10

// Errors that callers compare with.
var (
	ErrUnknown = errors.New("there is no such name")
	ErrOwner   = errors.New("this owner has too many names")
	ErrAll     = errors.New("there are too many names")
)

// Options are the log, and how many bytes the names may take.
type Options struct {
	Log    *eventlog.Log
	Logger *slog.Logger
	Bytes  int64 // of all names together. One owner has a quarter of it
}

// One owner has at most a part of all bytes, and the last part of all is for owners with few: as with idempotency keys.
const (
	ownerShare    = 4
	reservedShare = 4
	fewShare      = 64 // of what one owner may have
)

// owner is a hash of whose a name is.
type owner [16]byte

// life is what is in memory of a name.
type life struct {
	owner owner
	bytes int64
	until uint64 // a time of the log
	used  bool   // by this gateway, since it last looked
}

// lifeRow is the row of a name's life.
type lifeRow struct {
	Owner string `json:"owner"` // in hexadecimal
	Bytes int64  `json:"bytes"`
	Until uint64 `json:"until"`
}

// Store has the names of a log.
type Store struct {
	o       Options
	log     *eventlog.Log
	running context.Context // ends with Close
	end     func()
	keeper  sync.WaitGroup
	wake    chan struct{} // has a token when a name in use should be renewed soon

	mu    sync.Mutex
	of    map[string]*life
	open  map[string]int  // how many use a name at this gateway; it may have ended
	taken map[owner]int64 // bytes, with those of requests under way
	all   int64
}

// Open follows the names of a log, and starts to renew and to remove them, until Close.
func Open(o Options) (*Store, error) {
	s := &Store{o: o, log: o.Log, wake: make(chan struct{}, 1), of: map[string]*life{}, open: map[string]int{}, taken: map[owner]int64{}}
	if err := o.Log.FollowRows(rows.Subscription, eventlog.Cache{Put: s.put, Names: s.names}); err != nil {
		return nil, fmt.Errorf("reading the names of subscriptions: %w", err)
	}
	s.running, s.end = context.WithCancel(context.Background())
	s.keeper.Go(s.run)
	return s, nil
}

// Close ends what Open started.
func (s *Store) Close() {
	s.end()
	s.keeper.Wait()
}

// Count returns how many names there are.
func (s *Store) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.of)
}

func (s *Store) put(name string, value []byte) error {
	row, of, err := readLife(value)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.of[name]
	switch {
	case row == nil && one == nil:
		return nil
	case row == nil:
		delete(s.of, name)
		s.take(one.owner, -one.bytes)
		return nil
	case one == nil:
		one = &life{owner: of, bytes: row.Bytes}
		s.of[name] = one
		s.take(of, row.Bytes)
	}
	one.until = row.Until
	return nil
}

// take counts bytes of an owner. The caller holds mu.
func (s *Store) take(of owner, n int64) {
	s.all += n
	if s.taken[of] += n; s.taken[of] == 0 {
		delete(s.taken, of)
	}
}

func (s *Store) names(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return eventlog.Named(s.of, prefix)
}

// readLife reads the value of a row; nil stands for no name.
func readLife(value []byte) (row *lifeRow, of owner, err error) {
	if value == nil {
		return nil, of, nil
	}
	if err := json.Unmarshal(value, &row); err != nil {
		return nil, of, err
	}
	text, err := hex.DecodeString(row.Owner)
	if err != nil || len(text) != len(of) || row.Bytes < 0 {
		return nil, of, errors.New("the row of a subscription has no valid owner")
	}
	return row, owner(text), nil
}

func ownerOf(text string) owner {
	sum := sha256.Sum256([]byte("owner of subscriptions\x00" + text))
	return owner(sum[:])
}

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// nameLength is the length of a name: 128 bits, so nobody guesses the name of another list.
const nameLength = 26

func nameOf(of owner, list string) string {
	sum := sha256.Sum256(append(of[:], list...))
	return strings.ToLower(encoding.EncodeToString(sum[:16]))
}

// isName reports whether a text may be a name. Nobody needs to ask for others.
func isName(text string) bool {
	if len(text) != nameLength {
		return false
	}
	for _, b := range []byte(text) {
		if (b < 'a' || b > 'z') && (b < '2' || b > '7') {
			return false
		}
	}
	return true
}
