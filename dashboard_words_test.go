package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDashboardNamesSettings: what the dashboard says about refusals is by codes and doors that there are, and names settings
// that there are.
func TestDashboardNamesSettings(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("public/ui/allow.js")
	if err != nil {
		t.Fatal(err)
	}
	table := between(t, string(text), "const words = {", "};")
	code := readCode(t)
	entries := regexp.MustCompile(`(?m)^  "?([a-z_]+)(?: ([a-z]+))?"?: "(.*)",$`).FindAllStringSubmatch(table, -1)
	if lines := strings.Count(strings.TrimSpace(table), "\n") + 1; len(entries) != lines || lines < 20 {
		t.Fatalf("%d of %d lines are read", len(entries), lines)
	}
	for _, entry := range entries {
		if !code.codes[entry[1]] {
			t.Errorf("allow.js: there is no code %s", entry[1])
		}
		if entry[2] != "" && !code.doors[entry[2]] {
			t.Errorf("allow.js: there is no door %s", entry[2])
		}
		for _, name := range regexp.MustCompile(`\b[A-Z]+(_[A-Z]+)+\b`).FindAllString(entry[3], -1) {
			if !code.settings[name] {
				t.Errorf("allow.js: there is no setting %s, which %s names", name, entry[1])
			}
		}
	}
}
