// Package config is every setting: its name, default, check and one-line doc, in one struct.
//
// Values come from the environment or from .env in the working folder; the environment wins, and an
// empty value counts as not set. All faults are reported at once. .env.example and the README's table
// are generated from the struct (go generate ./config) and a test fails when they differ.
//
// Invariants: no error and no printed setting shows a secret; each fault is one line, whatever a value
// holds; a Config is never changed after Load, so it needs no lock.
package config

//go:generate go run ./gen
