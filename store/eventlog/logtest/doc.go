// Package logtest is the conformance suite of engines: what each of them must do, used through a Log. Durable engines
// are also closed and opened again.
package logtest
