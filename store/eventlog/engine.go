package eventlog

import "context"

// Engine stores and reads; a Log drives it. Commit is called by one goroutine at a time, all others by any number, during a
// Commit too. See the abilities below for what an engine may have besides.
type Engine interface {
	Applier
	Reader
	// Clock is the time of what it stores, from its opening on.
	Clock() *Clock
	Close() error
}

// Applier is what requests are applied to: the state that their conditions are checked against, and its change.
type Applier interface {
	Lookup
	// Commit stores the group, whose events have their ids, and the idempotency answers, and remembers last, atomically. When
	// it returns nil the group survives what the engine's durability promises.
	Commit(g *Group) error
	// Answers calls f for each idempotency answer stored at or after the id since, in order.
	Answers(since uint64, f func(Answer)) error
}

// Lookup finds what conditions speak of, at once.
type Lookup interface {
	// Head is the id of the last event of a stream, 0 where there is none.
	Head(space, stream string) (uint64, error)
	// Find is the id of the event with a key in a stream, 0 where there is none.
	Find(space, stream, key string) (uint64, error)
	// Row is the value of a row, nil where there is none.
	Row(key string) ([]byte, error)
	// Keyed calls f for each retained entry of a space of keyed events, by key and number; of one key, where key is not nil.
	// What it tells is as of one moment: the position is that of the last commit before it.
	Keyed(ctx context.Context, space string, key *string, f func(Event) error) (position uint64, err error)
}

// Reader is what is read of the state, at length.
type Reader interface {
	// View calls f with the rows as of one moment. Close has to wait until f returns.
	View(ctx context.Context, f func(View) error) error
	// Read is one bounded step: events of the query with after < id <= upto, at most limit of them (limit > 0). It may stop
	// early, saying in Reached how far it came, but always comes further than after where after < upto.
	Read(ctx context.Context, q *Query, after, upto uint64, limit int) (Page, error)
	// Streams are the states of at most limit streams of a space without retention, whose names begin with prefix and are
	// greater than after, in order of their names.
	Streams(ctx context.Context, space, prefix, after string, limit int) ([]StreamState, error)
	// Rows calls f for each row whose key begins with prefix, in order.
	Rows(prefix string, f func(Row) error) error
	// Weight is what State.Bytes counts an event as.
	Weight(e *Event) int64
	// State tells of a space, without what is expired by age at this moment.
	State(space string) (State, error)
	// Runs are the lives of the log, oldest first, this one last.
	Runs() []Run
}

// Abilities that an engine may have besides. Those of an engine that only keeps memory are fewer.
type (
	// For those who apply requests.

	// admitter refuses requests while the engine cannot take them; those from the reserve later than others.
	admitter interface{ Admit(fromReserve bool) error }
	// failer tells, by closing, that the engine is dead for good; Commit may never return then.
	failer interface{ Failed() <-chan struct{} }
	// oldester gives an id that nothing is retained before.
	oldester interface{ Oldest() uint64 }

	// For readers.

	// floorer gives, out of memory, an id behind which nothing was removed from a space, perhaps not the lowest of them.
	floorer interface{ Floor(space string) uint64 }

	// For the operator.

	// backuper copies all that is acknowledged to a new folder, while running.
	backuper interface{ Backup(dir string) error }
	// healther says why the engine cannot serve now.
	healther interface{ Health() error }
	// damager counts the damaged places of its files that it has met since the start.
	damager interface{ Damaged() uint64 }
)

// Group is what one commit stores. The rows of one key are in order: the last one holds.
type Group struct {
	Events  []Event
	Answers []Answer
	Rows    []Row
	Edit    *Edit  // done before all else; nil in most
	Marks   []byte // of the clock, for an engine that keeps what it is given; nil in most
	Last    uint64
}

func (g *Group) empty() bool { return len(g.Events) == 0 && len(g.Rows) == 0 && g.Edit == nil }

// Answer is a remembered 200: the ids are First to First+Count-1.
type Answer struct {
	First uint64
	Count int
	Key   [16]byte // hash of credential and Idempotency-Key
	Owner [8]byte  // hash of the credential alone, for the bound of each
	Body  [32]byte // hash of content type and body
}
