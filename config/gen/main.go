// Command gen writes the two texts that are generated from config.Config: .env.example and the tables of docs/settings.md.
// Run it with go generate ./config.
package main

import (
	"fmt"
	"os"

	"sluice/config"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if err := os.WriteFile("../.env.example", []byte(config.EnvExample()), 0o644); err != nil {
		return err
	}
	page, err := os.ReadFile("../docs/settings.md")
	if err != nil {
		return err
	}
	made, err := config.WithTables(string(page))
	if err != nil {
		return err
	}
	return os.WriteFile("../docs/settings.md", []byte(made), 0o644)
}
