// Package gateway builds a whole gateway from its settings and runs it: the log, the credentials, what the store has,
// the doors, and the server. The command line, tests and benchmarks all start this one.
//
// A new door is a package below handlers, and a line in doors.go. ARCHITECTURE.md has the other steps. A new engine of the log
// is chosen in store.go.
package gateway
