// Package config has all settings in one struct: their names, defaults, bounds and documentation.
//
// Values come from the environment or from .env in the working folder. The environment wins, and an
// empty value counts as not set. All faults are reported at once. .env.example and the tables of
// docs/settings.md are generated from the struct (go generate ./config), and a test fails when they differ.
//
// Invariants:
//   - No error and no printed setting shows a secret.
//   - Each fault is one line, whatever a value contains.
//   - Nothing changes a Config after Load, so it needs no lock.
package config

//go:generate go run ./gen
