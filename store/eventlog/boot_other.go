//go:build !linux

package eventlog

// boot returns "": these systems have no name for the running boot.
func boot() (string, int64) { return "", 0 }
