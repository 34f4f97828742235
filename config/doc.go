// Package config is every setting: its name, default, check and one-line doc, in one struct.
//
// Values come from the environment or from .env in the working folder; the environment wins, and an
// empty value counts as not set. All faults are reported at once. .env.example and the README's table
// are generated from the struct (go generate ./config) and a test fails when they differ.
//
// Invariant: no error, printed setting or log line shows a secret.
package config

//go:generate go run ./gen
