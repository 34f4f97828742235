package query

import "fmt"

// Bounds of what one query may ask, since it is asked of each document.
const (
	MaxText       = 16 << 10 // bytes of what a client sends as a condition
	MaxDepth      = 10       // groups within groups, and names in a path
	MaxConditions = 100      // comparisons in all
	MaxList       = 1000     // values of one In
	MaxFields     = 100      // of a projection, an order or an aggregate
	MaxName       = 256      // bytes of a field's path
	MaxPattern    = 200      // bytes of a regular expression
	MaxSearch     = 1000     // bytes of a text to search for
	MaxGroups     = 10_000   // of an aggregate
)

// maxProgram bounds the instructions of a query's regular expressions: every one may be tried at every byte of a text,
// and a short pattern such as \pL{1000} has many. So many of them take half a second for 64 KiB.
const maxProgram = 500

// maxGroupBytes bounds what the values that an aggregate groups by take, as MaxGroups bounds their number.
const maxGroupBytes = 8 << 20

// Reason says what a refusal is about. It is stable: doors may tell it to clients.
type Reason string

// What can be wrong with a query.
const (
	TooLong    Reason = "too_long"
	TooDeep    Reason = "too_deep"
	TooMany    Reason = "too_many"
	BadField   Reason = "bad_field"
	BadValue   Reason = "bad_value"
	BadPattern Reason = "bad_pattern"
	BadSyntax  Reason = "bad_syntax"
	BadName    Reason = "unknown_operator"
)

// Error is a query that is refused: the client's to mend, and its text says how.
type Error struct {
	Reason Reason
	Text   string
}

func (e *Error) Error() string { return e.Text }

// Refuse is an Error with a formatted text.
func Refuse(why Reason, format string, args ...any) error {
	return &Error{why, fmt.Sprintf(format, args...)}
}

// CheckDepth refuses groups within too many groups. A parser asks it too, as it would read a text once for each level.
func CheckDepth(depth int) error {
	if depth > MaxDepth {
		return Refuse(TooDeep, "conditions lie more than %d deep: write them with fewer groups within groups", MaxDepth)
	}
	return nil
}
