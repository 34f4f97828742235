package query

import "fmt"

// Bounds of one query, since it is tested on each document.
const (
	MaxText       = 16 << 10 // bytes of a condition as a client sends it
	MaxDepth      = 10       // levels of groups, and names in a path
	MaxConditions = 100      // comparisons in all
	MaxList       = 1000     // values of one In
	MaxFields     = 100      // in a projection, an order or an aggregate
	MaxName       = 256      // bytes of a field's path
	MaxPattern    = 200      // bytes of a regular expression
	MaxSearch     = 1000     // bytes of a text to search for
	MaxGroups     = 10_000   // in an aggregate
)

// maxProgram bounds the instructions of a query's regular expressions. Each may be tried at every byte of a text, and a
// short pattern such as \pL{1000} has many. This many take half a second for 64 KiB.
const maxProgram = 500

// maxGroupBytes bounds the values that an aggregate groups by, as MaxGroups bounds their number.
const maxGroupBytes = 8 << 20

// Reason is what is wrong with a query. It is stable, so doors may show it to clients.
type Reason string

// The reasons for a refusal.
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

// Error is the refusal of a query. The client can correct it, and Text says how.
type Error struct {
	Reason Reason
	Text   string
}

func (e *Error) Error() string { return e.Text }

// Refuse is an Error with a formatted text.
func Refuse(why Reason, format string, args ...any) error {
	return &Error{why, fmt.Sprintf(format, args...)}
}

// CheckDepth refuses groups that are nested too deep. Parsers call it too, as they would otherwise read a text once for
// each level.
func CheckDepth(depth int) error {
	if depth > MaxDepth {
		return Refuse(TooDeep, "conditions lie more than %d deep: write them with fewer groups within groups", MaxDepth)
	}
	return nil
}
