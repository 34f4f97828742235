// Package logtest is the conformance suite of eventlog engines: what every one of them must hold,
// through a Log, closed and reopened wherever the engine keeps anything.
package logtest
