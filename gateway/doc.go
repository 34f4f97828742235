// Package gateway builds a whole gateway from its settings and runs it: the log, the credentials, the store's models, the
// doors and the server. The command line, the tests and the benchmarks all start this one.
//
// To add a door, add a package below handlers and a line in doors.go; ARCHITECTURE.md has the other steps. A new engine of the
// log is chosen in store.go.
package gateway
