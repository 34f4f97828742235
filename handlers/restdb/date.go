package restdb

import (
	"math"
	"time"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// layouts are the formats of a time that $date takes: those of JavaScript's Date, also with a blank instead of the T.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04",
	time.DateOnly, "2006-01", "2006",
}

// variables are RestDB's names for times relative to now, in UTC.
var variables = map[string]func(now time.Time) time.Time{
	"$currentDate":  func(now time.Time) time.Time { return now },
	"$currentMonth": func(now time.Time) time.Time { return time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC) },
	"$currentYear":  func(now time.Time) time.Time { return time.Date(now.Year(), time.January, 1, 0, 0, 0, 0, time.UTC) },
}

// readValue reads a value to compare with. It converts {"$date":…} to the text that JavaScript's Date.toJSON makes of that
// time, because documents store times as that text.
func readValue(v gjson.Result) (gjson.Result, error) {
	if !v.IsObject() || !v.Get(`\$date`).Exists() {
		return v, nil
	}
	date := v.Get(`\$date`)
	at, ok := readDate(date)
	if !ok || at.Year() < 0 || at.Year() > 9999 {
		return v, query.Refuse(query.BadValue,
			"$date takes a time such as 2026-11-20T13:22:01.000Z or 2026-11-20, milliseconds since 1970, $currentDate, $currentMonth or $currentYear, not %.40s", date.Raw)
	}
	return query.String(at.UTC().Format("2006-01-02T15:04:05.000Z")), nil
}

func readDate(v gjson.Result) (time.Time, bool) {
	if v.Type == gjson.Number {
		const most = 1 << 53 // milliseconds, as in JavaScript's Date
		return time.UnixMilli(int64(max(-most, min(most, v.Num)))), v.Num == math.Trunc(v.Num)
	}
	if of := variables[v.Str]; of != nil {
		return of(time.Now().UTC()), true
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, v.Str); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
