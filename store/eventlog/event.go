package eventlog

import (
	"errors"
	"fmt"
	"syscall"

	"sluice/channel"
)

// Event is one event of the log.
type Event struct {
	ID         uint64   // given by the log
	Space      string   // "" is /realtime
	Name       string   // post, put, delete, or a custom name
	Collection string   // may be empty
	Stream     string   // may be empty
	Key        string   // a keyed event's key, any text; of other events unique in the stream, or empty
	Op         Op       // what a keyed event does to the retained entries of its key; 0 for all others
	Seq        uint64   // a keyed event's number in its space; given by the log, except for Compact
	Data       []byte   // compact JSON; empty only in a Compact that leaves no entry
	Drops      []uint64 // numbers of the entries that a keyed event removes; given by the log
	Meta       []byte   // a door's own information about the event; may be empty
}

// Op makes an event a keyed one. A keyed space retains some entries for each key, and no history.
type Op uint8

// What a keyed event does. All but Compact take the next number of their space, from 1, and go to subscribers.
const (
	Append  Op = iota + 1 // adds an entry at the end
	Replace               // empties the key, then adds an entry
	Relay                 // changes nothing and is not stored
	Compact               // replaces the entries up to its Seq by one with its Data, or by none; subscribers do not see it
)

// Entry reports whether a keyed event leaves an entry.
func (e *Event) Entry() bool { return e.Op != Relay && (e.Op != Compact || len(e.Data) > 0) }

// Channel is the channel that permissions for the event name.
func (e *Event) Channel() channel.Channel { return channel.Of(e.Space, e.Name, e.Collection) }

// Expectation is a condition on one event of a request: the last id of its stream must be Last (0: the stream must not
// exist). Earlier events of the same request count.
type Expectation struct {
	Index int
	Last  uint64
}

// Request is what one publisher wants stored: all of it or nothing, with consecutive ids.
type Request struct {
	Events []Event
	Expect []Expectation
	Once   *Once       // makes the request take effect once, or nil
	Rows   []Row       // stored in the same commit
	If     []Condition // store only if these hold
	Bound  *Bound      // for the keyed spaces of the request; nil: none
	Sizes  []int       // set by Append: how many entries the key of each keyed event then has
	Stored func()      // called when the request is stored, even if its publisher has given up; with a shared journal, for a minute. It must not wait for the log
	Edit   *Edit       // changes to stored events, in the same commit; or nil
	Make   string      // a keyed space to make, with no entries; ErrRow if it exists
	Run    bool        // begins a run, which takes an id

	FromReserve bool // a full disk takes it, as it withdraws trust or makes room. Need not be set if the request only removes
}

// conditional reports whether the request has conditions on streams or keys.
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

// unique reports whether the event's key must be new in its stream.
func (e *Event) unique() bool { return e.Key != "" && e.Op == 0 }

// Bound is the most that a keyed space may retain.
type Bound struct {
	Bytes int64
	Keys  int
}

// Row is a key and a value of a door's own, stored next to the events. A nil value deletes the row.
type Row struct {
	Key   string
	Value []byte
}

// Edit changes stored events. A request with an edit is a commit of its own, so that its order against other requests
// of the commit does not matter.
type Edit struct {
	Remove   []Event       // by space and id; what is gone already stays so
	Replace  []Replacement // old and new have the same space and id; no other event has the new one's key in its stream
	Freed    int64         // bytes, as Weight counts, to subtract from State.Bytes. Remove and Replace must then be of one space, and with retention Remove is one event
	Drop     []string      // spaces to delete, with all their events
	Rename   [2]string     // a space's old and new name, whose own space is deleted; empty: none
	DropRows []string      // prefixes: all rows whose keys begin with one are deleted
	Trim     []Trim        // cuts of retention
}

// Trim removes the events of a space up to an id. A later Trim to a lower id changes nothing.
type Trim struct {
	Space string
	ID    uint64
}

// Spaces are the spaces whose events the edit changes.
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
	for _, t := range e.Trim {
		spaces[t.Space] = true
	}
	if e.Rename[0] != "" {
		spaces[e.Rename[0]], spaces[e.Rename[1]] = true, true
	}
	return spaces
}

// Removes reports whether the edit does nothing but remove events.
func (e *Edit) Removes() bool {
	return len(e.Remove) > 0 && len(e.Replace)+len(e.Drop)+len(e.DropRows)+len(e.Trim) == 0 && e.Rename[0] == ""
}

// Replacement replaces one event by another.
type Replacement struct{ Old, New Event }

// StreamState describes a stream.
type StreamState struct {
	Stream      string
	First, Last uint64
	Count       int
}

// Query selects events of one space. Channels is required. An empty Stream or empty Names select all.
type Query struct {
	Space    string
	Channels channel.Set
	Stream   string
	Names    []string
}

// Match reports whether the query selects e.
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

// Page is the result of one bounded step of a read. Events has every event of the query in (after, Reached], in order.
// Reached is at most the position that was settled at the time of the read. Removed is the highest id that retention
// has removed from the space, as the read saw it. A reader whose after is below Removed has a gap, and its Events start
// after Removed.
type Page struct {
	Events  []Event
	Reached uint64
	Removed uint64
}

// State describes a space. Oldest is 0 if nothing is retained.
type State struct {
	Oldest  uint64 // the oldest retained id
	Removed uint64 // the highest id that retention has removed; 0 if none
	Bytes   int64  // bytes of the retained records; for a database with their index rows
	Count   int64  // number of retained records (may be an estimate)
}

// Run is the log's life from one start to the next. Recovered is the last id that was found at the start (0 in the
// first run). Start is the position that the run took for itself.
type Run struct{ Recovered, Start uint64 }

// Errors that callers may act on. ErrUnavailable covers all that may pass: the log cannot take the event now. If the
// outcome is not known, the error is also ErrUnknown.
var (
	ErrUnavailable = errors.New("the log cannot take events now")
	ErrUnknown     = errors.New("the outcome is unknown")
	ErrClosed      = errors.New("the log is closed")
	ErrLocked      = errors.New("the folder is in use by another process")
)

// Reasons of ErrUnavailable that a client may see.
var (
	ErrDiskFull   = errors.New("the disk is full; the operator must free space")
	ErrMemoryFull = errors.New("with DATA_DIR=memory there is no space left for rooms, documents and streams; delete some, or set DATA_DIR to a folder")
	ErrQueueFull  = errors.New("too many requests wait to be stored")
	ErrNoAnswer   = errors.New("the disk does not answer in time")
)

// Explain returns what a client may see of an ErrUnavailable. The rest of the error, such as the path of a folder, is
// for the operator's log.
func Explain(err error) string {
	if errors.Is(err, syscall.ENOSPC) {
		err = ErrDiskFull
	}
	for _, reason := range []error{ErrDiskFull, ErrMemoryFull, ErrQueueFull, ErrBehind, ErrNoAnswer} {
		if errors.Is(err, reason) {
			return ErrUnavailable.Error() + ": " + reason.Error()
		}
	}
	return ErrUnavailable.Error()
}

// ExpectError is the error of an Expectation that does not hold. Last is the stream's last id.
type ExpectError struct {
	Index int
	Last  uint64
}

func (e *ExpectError) Error() string { return "the stream has moved on" }

// KeyError is the error of an event whose key another event of the stream has.
type KeyError struct{ Index int }

func (e *KeyError) Error() string { return "the stream has an event with this key" }

// Bounded is what a Bound is of.
type Bounded string

// What there is.
const (
	BoundedBytes Bounded = "bytes"
	BoundedKeys  Bounded = "keys"
)

// BoundError is the error of a request after which a keyed space would retain more than its bound.
type BoundError struct {
	What Bounded
	Most int64
}

func (e *BoundError) Error() string {
	return fmt.Sprintf("the space would hold more than %d %s", e.Most, e.What)
}

// Retention bounds what a space retains. Zero means no bound.
type Retention struct {
	Age   int64 // microseconds
	Bytes int64
}
