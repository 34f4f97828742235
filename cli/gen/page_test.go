package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"sluice/cli"
)

// The pages in docs/man are those of the help as it is now, with none too many.
func TestPagesAreCurrent(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("..", "..", "docs", "man")
	want := pages(cli.Commands())
	if len(want) < 20 {
		t.Fatalf("only %d pages", len(want))
	}
	for name, page := range want {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || string(got) != page {
			t.Errorf("%s is not what the help says: run go generate ./cli (%v)", name, err)
		}
	}
	found, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		if _, ok := want[filepath.Base(path)]; !ok {
			t.Errorf("%s is of no command: run go generate ./cli", path)
		}
	}
}

// Nothing in a text is a command of troff.
func TestEscape(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"plain", "plain"},
		{".env has it", `\&.env has it`},
		{"'quoted'", `\(aqquoted\(aq`},
		{`a\b --url ~/x`, `a\eb \-\-url \(ti/x`},
	} {
		if got := escape(tt.text); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
	text := page(&cobra.Command{Use: "x", Short: "A text.", Long: "One.\n\n.Two\n'three", Run: func(*cobra.Command, []string) {}})
	if !strings.Contains(text, "One.\n.PP\n\\&.Two\n\\(aqthree\n") {
		t.Error(text)
	}
}
