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
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	made, err := config.WithTable(string(readme))
	if err != nil {
		t.Fatal(err)
	}
	if made != string(readme) {
		t.Error("the settings table of README.md differs from Config: run go generate ./config")
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

func TestWithTable(t *testing.T) {
	t.Parallel()
	got, err := config.WithTable("before\n" + config.TableBegin + "\nold\n" + config.TableEnd + "\nafter\n")
	want := "before\n" + config.TableBegin + "\n" + config.Table() + config.TableEnd + "\nafter\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	for _, broken := range []string{"", config.TableBegin, config.TableEnd, config.TableEnd + config.TableBegin} {
		if _, err := config.WithTable(broken); err == nil {
			t.Errorf("%q: no error", broken)
		}
	}
}
