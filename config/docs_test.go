package config_test

import (
	"os"
	"strings"
	"testing"

	"sluice/config"
)

// TestGenerated fails where a setting was changed and go generate ./config was not run.
func TestGenerated(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	if string(example) != config.EnvExample() {
		t.Error(".env.example differs from Config: run go generate ./config")
	}
	page, err := os.ReadFile("../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	made, err := config.WithTables(string(page))
	if err != nil {
		t.Fatal(err)
	}
	if made != string(page) {
		t.Error("the tables of docs/settings.md differ from Config: run go generate ./config")
	}
}

// TestExampleIsValid: with every # taken off, .env.example means the defaults.
func TestExampleIsValid(t *testing.T) {
	t.Parallel()
	var lines []string
	for line := range strings.Lines(config.EnvExample()) {
		if setting, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(setting, " ") {
			line = setting
		}
		lines = append(lines, line)
	}
	c, err := config.Load(nil, write(t, ".env", strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	fromFile := 0
	for _, s := range c.Effective() {
		if s.Value != s.Default {
			t.Errorf("%+v", s)
		}
		if s.Source == ".env" {
			fromFile++
		}
	}
	if fromFile == 0 {
		t.Error("nothing was read from the example")
	}
}

func TestWithTables(t *testing.T) {
	t.Parallel()
	got, err := config.WithTables("before\n" + config.TablesBegin + "\nold\n" + config.TablesEnd + "\nafter\n")
	want := "before\n" + config.TablesBegin + "\n" + config.Tables() + config.TablesEnd + "\nafter\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	for _, broken := range []string{"", config.TablesBegin, config.TablesEnd, config.TablesEnd + config.TablesBegin} {
		if _, err := config.WithTables(broken); err == nil {
			t.Errorf("%q: no error", broken)
		}
	}
}

// TestGroups: each setting is in a group of docs/settings.md and of .env.example, once, and no group is empty.
func TestGroups(t *testing.T) {
	t.Parallel()
	c, faults := load()
	if faults != nil {
		t.Fatal(faults)
	}
	tables, example := config.Tables(), config.EnvExample()
	for _, s := range c.Effective() {
		if n := strings.Count(tables, "\n| `"+s.Name+"` |"); n != 1 {
			t.Errorf("%s is %d times in docs/settings.md: add its group to groups in docs.go", s.Name, n)
		}
		if n := strings.Count(example, "\n#"+s.Name+"="); n != 1 {
			t.Errorf("%s is %d times in .env.example", s.Name, n)
		}
	}
	for _, table := range strings.Split(tables, "\n## ")[1:] {
		if !strings.Contains(table, "\n| `") {
			t.Errorf("a group is empty: %s", table)
		}
	}
}
