package eventlog

import (
	"errors"
	"fmt"
	"syscall"

	"sluice/channel"
)

// Event is a record of the log.
type Event struct {
	ID         uint64   // its place; given by the log
	Space      string   // "" is /realtime
	Name       string   // post, put, delete, or a custom name
	Collection string   // may be empty
	Stream     string   // may be empty
	Key        string   // of a keyed event its key, any text; else unique in its stream, or empty
	Op         Op       // what a keyed event does to the retained entries of its key; 0 for all others
	Seq        uint64   // a keyed event's number in its space; given by the log, but for Compact
	Data       []byte   // compact JSON; empty only in a Compact that leaves nothing
	Drops      []uint64 // numbers of the entries that a keyed event takes away; given by the log
	Meta       []byte   // what the door of a space keeps beside the data, for itself; may be empty
}

// eventOverhead is what an event takes beside its texts: this struct.
const eventOverhead = 200

// Size is about what a retained event takes of memory.
func (e *Event) Size() int { return eventOverhead + len(e.Key) + len(e.Data) + len(e.Meta) }

// Op makes an event a keyed one: what its space retains is no history but, for each key, some entries.
type Op uint8

// What a keyed event does. All but Compact take the next number of their space, from 1, and are handed to
// subscribers.
const (
	Append  Op = iota + 1 // adds an entry at the end
	Replace               // empties the key, then adds an entry
	Relay                 // changes nothing and is not stored
	Compact               // takes away the entries up to its Seq and, if it has Data, puts one there, in silence
)

// Entry reports whether a keyed event leaves an entry.
func (e *Event) Entry() bool { return e.Op != Relay && (e.Op != Compact || len(e.Data) > 0) }

// Channel is the event's place in permissions.
func (e *Event) Channel() channel.Channel { return channel.Of(e.Space, e.Name, e.Collection) }

// Expectation is a condition on one event of a request: the last id of its stream must be Last
// (0: the stream must not exist), counting the events before it in the same request.
type Expectation struct {
	Index int
	Last  uint64
}

// Request is what one publisher wants stored, all or none, with consecutive ids.
type Request struct {
	Events []Event
	Expect []Expectation
	Claim  *Claim // the idempotency claim that this request fulfils, or nil
	Rows   []Row  // stored in the same commit
	If     []Row  // only if these rows are so; a nil Value: there is none
	Bound  *Bound // of a space of keyed events; nil: none
	Sizes  []int  // given by Append: how many entries the key of each keyed event has then
	Stored func() // called once it is stored, also where its publisher has given up; it must not wait for the log
	Edit   *Edit  // changes what is there, in the same commit; or nil

	FromReserve bool // it withdraws trust, makes room, or is needed for that: a full disk takes it. One that only takes away needs not say so
}

// conditional says whether the request holds only if something is so.
func (r *Request) conditional() bool {
	if len(r.Expect) > 0 {
		return true
	}
	for i := range r.Events {
		if r.Events[i].unique() {
			return true
		}
	}
	return false
}

// unique says whether the event's key must be new in its stream.
func (e *Event) unique() bool { return e.Key != "" && e.Op == 0 }

// Bound is how much a space of keyed events may retain.
type Bound struct {
	Bytes int64
	Keys  int
}

// Row is a key and a value of a door's own, beside the events. A nil value deletes it.
type Row struct {
	Key   string
	Value []byte
}

// Edit changes what is there. A request with one is a commit of its own, so that no order within a commit
// needs to be thought of.
type Edit struct {
	Remove   []Event       // as they were read; Data may be left out
	Replace  []Replacement // of the same space and id
	Freed    int64         // what Remove and Replace, which are of one space then, take off its State.Bytes, as Weight counts
	Drop     []string      // spaces, with all that is in them
	Rename   [2]string     // a space's old and new name; empty: none
	DropRows []string      // all rows whose keys begin so
}

// Spaces are those that it changes events of.
func (e *Edit) Spaces() map[string]bool {
	spaces := map[string]bool{}
	for i := range e.Remove {
		spaces[e.Remove[i].Space] = true
	}
	for i := range e.Replace {
		spaces[e.Replace[i].New.Space] = true
	}
	for _, name := range e.Drop {
		spaces[name] = true
	}
	if e.Rename[0] != "" {
		spaces[e.Rename[0]], spaces[e.Rename[1]] = true, true
	}
	return spaces
}

// Replacement puts one event in the place of another.
type Replacement struct{ Old, New Event }

// StreamState tells of a stream.
type StreamState struct {
	Stream      string
	First, Last uint64
	Count       int
}

// Query says which events of one space a reader wants. Channels is required; an empty Stream and
// empty Names do not narrow.
type Query struct {
	Space    string
	Channels channel.Set
	Stream   string
	Names    []string
}

// Match says whether the query asks for e.
func (q *Query) Match(e *Event) bool {
	if q.Space != e.Space || q.Stream != "" && q.Stream != e.Stream {
		return false
	}
	if len(q.Names) > 0 {
		found := false
		for _, n := range q.Names {
			found = found || n == e.Name
		}
		if !found {
			return false
		}
	}
	return q.Channels.Match(e.Channel())
}

// Page is one bounded step of a read. Everything of the query in (after, Reached] is in Events,
// in order; Reached is at most the settled position at the time of the read. Removed is the
// highest id that retention has removed from the space, as the read saw it: a reader whose after
// is below it has a gap (and its Events then start behind Removed).
type Page struct {
	Events  []Event
	Reached uint64
	Removed uint64
}

// State tells of one space. Oldest is 0 while nothing is retained in it.
type State struct {
	Oldest  uint64 // the oldest retained id
	Removed uint64 // the highest id that retention has removed; 0 where it removed nothing
	Bytes   int64  // bytes of records retained, of a database with their index rows
	Count   int64  // number of records retained (may be an estimate)
}

// Run is one life of the log: Recovered is the last id found when it started (0 for the first),
// Start the position that this life took for itself.
type Run struct{ Recovered, Start uint64 }

// What callers may decide on. Unavailable wraps all that is passing: the log cannot take the
// event now. Where the outcome is unknown the error is ErrUnknown too.
var (
	ErrUnavailable = errors.New("the log cannot take events now")
	ErrUnknown     = errors.New("the outcome is unknown")
	ErrClosed      = errors.New("the log is closed")
	ErrLocked      = errors.New("the folder is in use by another process")
)

// What a client may be told as the reason of ErrUnavailable, beside it.
var (
	ErrDiskFull   = errors.New("the disk is full; the operator has to make room")
	ErrMemoryFull = errors.New("DATA_DIR=memory has no room for more rooms, documents and streams; take some away, or set DATA_DIR to a folder")
	ErrQueueFull  = errors.New("too much waits to be stored")
	ErrNoAnswer   = errors.New("the disk takes too long")
)

// Explain returns what a client may be told of an error that is ErrUnavailable. All else that it holds, such as the path of
// a folder, is for the log of the operator.
func Explain(err error) string {
	if errors.Is(err, syscall.ENOSPC) {
		err = ErrDiskFull
	}
	for _, reason := range []error{ErrDiskFull, ErrMemoryFull, ErrQueueFull, ErrNoAnswer} {
		if errors.Is(err, reason) {
			return ErrUnavailable.Error() + ": " + reason.Error()
		}
	}
	return ErrUnavailable.Error()
}

// ExpectError says that a condition did not hold: the stream's last id is Last.
type ExpectError struct {
	Index int
	Last  uint64
}

func (e *ExpectError) Error() string { return "the stream has moved on" }

// KeyError says that the stream of an event has another with its key.
type KeyError struct{ Index int }

func (e *KeyError) Error() string { return "the stream has an event with this key" }

// Bounded is what a Bound is of.
type Bounded string

// What there is.
const (
	BoundedBytes Bounded = "bytes"
	BoundedKeys  Bounded = "keys"
)

// BoundError says that a space of keyed events would hold more than its bound.
type BoundError struct {
	What Bounded
	Most int64
}

func (e *BoundError) Error() string {
	return fmt.Sprintf("the space would hold more than %d %s", e.Most, e.What)
}

// Retention bounds what a space keeps. Zero means without bound.
type Retention struct {
	Age   int64 // microseconds
	Bytes int64
}
