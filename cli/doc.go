// Package cli is the command line: serve and the commands for daily work, one file each. It is the
// only reader of the settings, and wires the packages together with plain values.
//
// Order of construction: settings, credentials, log, broker, handlers, listener; the end is the
// reverse. Exit codes: 0 done, 1 failed, 2 the arguments or settings are at fault.
package cli
