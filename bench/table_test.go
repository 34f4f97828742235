package main

import (
	"slices"
	"testing"
)

// A row that is measured alone takes its place, says when, and leaves the others as they were.
func TestMerge(t *testing.T) {
	first, second, third := rows[0].name, rows[1].name, rows[2].name
	old := parse("\nMeasured then on this.\n\n" + table([]line{{first, "1 | | |"}, {third + apart + "2026-01-01)", "3 | | |"}, {"a row that is no more", "9 | | |"}}))
	for name, tt := range map[string]struct{ measured, want []line }{
		"none": {nil, []line{{first, "1 | | |"}, {third + " (measured 2026-01-01)", "3 | | |"}}},
		"new": {[]line{{second, "2 | | |"}},
			[]line{{first, "1 | | |"}, {second + " (measured 2026-02-02)", "2 | | |"}, {third + " (measured 2026-01-01)", "3 | | |"}}},
		"again": {[]line{{first, "5 | | |"}, {third, "7 | | |"}},
			[]line{{first + " (measured 2026-02-02)", "5 | | |"}, {third + " (measured 2026-02-02)", "7 | | |"}}},
	} {
		if got := merge(old, tt.measured, "2026-02-02"); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// Lines of the document are found by the names of their rows.
func TestRowNames(t *testing.T) {
	seen := map[string]bool{}
	for i := range rows {
		if seen[rows[i].name] {
			t.Errorf("two rows are named %q", rows[i].name)
		}
		seen[rows[i].name] = true
	}
}
