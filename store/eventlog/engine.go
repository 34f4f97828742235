package eventlog

import "context"

// Engine stores and reads events; a Log drives it. One goroutine at a time calls Commit. Any number may call the other
// methods, also during a Commit. An engine may have some of the optional interfaces below.
type Engine interface {
	Applier
	Reader
	// Applied returns how far the engine had come when it was opened.
	Applied() Applied
	// Clock returns the log's clock. It does not change while the engine is open.
	Clock() *Clock
	Close() error
}

// Applier stores requests, and has the state that their conditions are checked against.
type Applier interface {
	Lookup
	// Commit stores the group (its events already have their ids), the idempotency answers and how far it came,
	// atomically. If it returns nil, the group is as safe as the engine's durability promises. If it fails, it is called
	// again with the same group.
	Commit(g *Group) error
	// Answers calls f for each idempotency answer stored at or after the id since, in order.
	Answers(since uint64, f func(Answer)) error
}

// Lookup has the short reads that conditions need.
type Lookup interface {
	// Head is the id of the last event of a stream, 0 where there is none.
	Head(space, stream string) (uint64, error)
	// Find is the id of the event with a key in a stream, 0 where there is none.
	Find(space, stream, key string) (uint64, error)
	// Row is the value of a row, nil where there is none.
	Row(key string) ([]byte, error)
	// Keyed calls f for each retained entry of a keyed space, ordered by key and number. If key is not nil, it reads
	// only the entries of that key. All entries are as of one moment; position is that of the last commit before it.
	Keyed(ctx context.Context, space string, key *string, f func(Event) error) (position uint64, err error)
}

// Reader has the reads that may take long.
type Reader interface {
	// View calls f with the rows as of one moment. Close waits until f returns.
	View(ctx context.Context, f func(View) error) error
	// Read is one bounded step. It returns at most limit (> 0) events of the query with after < id <= upto. It may stop
	// early; Reached is how far it came. If after < upto, Reached is always greater than after.
	Read(ctx context.Context, q *Query, after, upto uint64, limit int) (Page, error)
	// Streams returns at most limit streams of a space without retention, in order of their names. The names begin with
	// prefix and are greater than after.
	Streams(ctx context.Context, space, prefix, after string, limit int) ([]StreamState, error)
	// Names is Streams for any space. It counts the events of a stream up to MostCounted, and returns the name after which the
	// next call goes on, or "" at the end.
	Names(ctx context.Context, space, prefix, after string, limit int) (found []StreamState, next string, err error)
	// Rows calls f for each row whose key begins with prefix, in order.
	Rows(prefix string, f func(Row) error) error
	// Weight is the number of bytes that an event adds to State.Bytes.
	Weight(e *Event) int64
	// State describes a space, without the events that are expired by age now.
	State(space string) (State, error)
	// Runs are the runs of the log, oldest first; the current one is last. A new log has none.
	Runs() []Run
}

// MostCounted is up to how many events of a stream Names counts: to count all of a long stream takes long.
const MostCounted = 1000

// Optional interfaces of an engine. The memory engine has fewer of them.
type (
	// For the committer.

	// admitter refuses requests while the engine cannot take them. Requests from the reserve are refused later than
	// others.
	admitter interface{ Admit(r *Request) error }
	// trimmer returns the cuts that retention wants now. Kicked has a token when a cut is due at once.
	trimmer interface {
		Trims(ctx context.Context) ([]Trim, error)
		Kicked() <-chan struct{}
	}
	// failer closes its channel when the engine has failed for good. Commit may never return after that.
	failer interface{ Failed() <-chan struct{} }
	// oldester returns an id before which nothing is retained, math.MaxUint64 if nothing is. It depends on what was
	// committed alone, not on how the engine stores it, nor on a clock.
	oldester interface{ Oldest() (uint64, error) }

	// For readers.

	// floorer returns an id after which nothing was removed from a space. It reads only memory, and the id need not be
	// the lowest one.
	floorer interface{ Floor(space string) uint64 }

	// For the operator.

	// backuper copies all that is acknowledged to a new folder while the log runs.
	backuper interface{ Backup(dir string) error }
	// healther returns the reason that the engine cannot serve now, or nil.
	healther interface{ Health() error }
	// damager counts the damaged places in its files that were found since the start.
	damager interface{ Damaged() uint64 }
)

// Group is what one commit stores. If a key is in Rows twice, the last one counts.
type Group struct {
	Events  []Event
	Answers []Answer
	Rows    []Row
	Edit    *Edit  // applied before the rest; usually nil
	Run     *Run   // begins with this group; usually nil
	Marks   []byte // of the clock, for engines that survive a restart; usually nil
	Applied        // after the group
}

func (g *Group) empty() bool {
	return len(g.Events) == 0 && len(g.Rows) == 0 && g.Edit == nil && g.Run == nil
}

// Answer is a remembered 200. Its ids are First to First+Count-1.
type Answer struct {
	First uint64
	Count int
	Key   [16]byte // hash of credential and Idempotency-Key
	Owner [8]byte  // hash of the credential alone, to count the keys of each
	Body  [32]byte // hash of content type and body
}
