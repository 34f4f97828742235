package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fault is what is wrong with one setting. Value is already masked if it is a secret.
type Fault struct{ Name, Value, Why string }

// longestShown is how much of a value a fault repeats, in bytes.
const longestShown = 200

// String returns the fault on one line.
func (f Fault) String() string {
	value := f.Value
	if len(value) > longestShown {
		value = strings.ToValidUTF8(value[:longestShown], "") + "…"
	}
	return f.Name + "=" + printable(value) + ": " + f.Why
}

// Faults is an error to print, with everything that is wrong. Callers append the faults that they find themselves.
type Faults []Fault

func (f Faults) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d setting(s) cannot be used; nothing was started:", len(f))
	for _, x := range f {
		b.WriteString("\n  " + x.String())
	}
	return b.String()
}

// printable quotes a text that could break a line or hide on a terminal. It returns all other texts unchanged,
// so a second call changes nothing.
func printable(s string) string {
	hidden := func(r rune) bool { return !unicode.IsPrint(r) }
	if !utf8.ValidString(s) || strings.ContainsFunc(s, hidden) || strings.TrimSpace(s) != s {
		return strconv.Quote(s)
	}
	return s
}
