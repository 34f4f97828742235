// Command gen writes the manual pages in docs/man from the help of the command line. It is no part of the gateway's program.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"sluice/cli"
)

func main() {
	folder := filepath.Join("..", "docs", "man") // go generate runs in cli/
	if err := write(folder); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// write replaces the pages in a folder. A command that is gone leaves no page.
func write(folder string) error {
	old, err := filepath.Glob(filepath.Join(folder, "*.1"))
	if err != nil {
		return fmt.Errorf("looking for old pages: %w", err)
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("removing an old page: %w", err)
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	for name, page := range pages(cli.Commands()) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(page), 0o644); err != nil {
			return fmt.Errorf("writing a page: %w", err)
		}
	}
	return nil
}
