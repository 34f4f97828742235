package directus

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// storedTime is how the store spells times.
const storedTime = "2006-01-02T15:04:05.000Z"

// createdAt returns the moment that date_created is compared with, in the store's spelling. Texts in this spelling
// compare as their moments do, so an index can narrow the search to them.
func createdAt(n *query.Node, v gjson.Result) (gjson.Result, error) {
	at, ok := momentOf(v)
	if !ok {
		return v, query.Refuse(query.BadValue, "date_created is compared with %.40s: give a time such as \"2026-11-29T20:00:00+09:00\", or milliseconds since 1970", v.Raw)
	}
	low := n.Op == query.Between && len(n.Values) == 0
	switch whole := at.Truncate(time.Millisecond); {
	case whole.Equal(at):
	case n.Op == query.Eq || n.Op == query.In:
		return query.String(at.Format(time.RFC3339Nano)), nil // no stored time has this text, so nothing is equal to it
	case low || n.Op == query.Lt || n.Op == query.Gte: // the next time that an item can have
		at = whole.Add(time.Millisecond)
	}
	return query.String(at.Format(storedTime)), nil
}

// momentOf parses a time: milliseconds since 1970, or a spelling of ISO 8601, of which the year alone or year and month
// are enough.
func momentOf(v gjson.Result) (time.Time, bool) {
	text := v.Str
	switch len(text) {
	case len("2026"):
		text += "-01-01"
	case len("2026-11"):
		text += "-01"
	}
	if at, ok := query.ParseMoment(text); ok {
		return at, true
	}
	millis, err := strconv.ParseFloat(spelled(v), 64)
	if err != nil {
		return time.Time{}, false
	}
	return query.MomentAt(millis)
}

// nowPattern matches $NOW, $NOW() and $NOW(-1 day). nowUnits has the units, which are Directus' own.
var nowPattern = regexp.MustCompile(`(?i)^\$NOW(?:\( *(?:([-+]?) *([0-9]{1,6}) *([a-z]*))? *\))?$`)

// nowUnits are the units of an adjustment. A key lists all names of its unit.
var nowUnits = map[string]func(t time.Time, n int) time.Time{
	"milliseconds millisecond msecs msec ms": func(t time.Time, n int) time.Time { return t.Add(time.Duration(n) * time.Millisecond) },
	"seconds second secs sec s":              func(t time.Time, n int) time.Time { return t.Add(time.Duration(n) * time.Second) },
	"minutes minute mins min m":              func(t time.Time, n int) time.Time { return t.Add(time.Duration(n) * time.Minute) },
	"hours hour hrs hr h":                    func(t time.Time, n int) time.Time { return t.Add(time.Duration(n) * time.Hour) },
	"days day d ":                            func(t time.Time, n int) time.Time { return t.AddDate(0, 0, n) }, // the empty name: a number without a unit counts days
	"weeks week w":                           func(t time.Time, n int) time.Time { return t.AddDate(0, 0, 7*n) },
	"months month mth mo":                    addMonths,
	"years year yrs yr y":                    func(t time.Time, n int) time.Time { return addMonths(t, 12*n) },
}

// addMonths never goes past the end of the target month: one month before 31 March is the last day of February.
func addMonths(t time.Time, n int) time.Time {
	to := t.AddDate(0, n, 0)
	if to.Day() != t.Day() {
		to = to.AddDate(0, 0, -to.Day())
	}
	return to
}

func adjusted(at time.Time, text string) (time.Time, error) {
	wrong := query.Refuse(query.BadValue, "%.40q is not a time: write $NOW, $NOW(-1 day) or $NOW(+2 hours)", text)
	part := nowPattern.FindStringSubmatch(text)
	if part == nil {
		return at, wrong
	}
	if part[2] == "" {
		return at, nil
	}
	n, err := strconv.Atoi(part[1] + part[2])
	if err != nil {
		return at, wrong
	}
	for names, add := range nowUnits {
		if slices.Contains(strings.Split(names, " "), strings.ToLower(part[3])) {
			at = add(at.UTC(), n)
			if at.Year() < 0 || at.Year() > 9999 { // stored times have no such year
				return at, wrong
			}
			return at, nil
		}
	}
	return at, wrong
}
