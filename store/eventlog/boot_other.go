//go:build !linux

package eventlog

// boot has no name for the running boot.
func boot() (string, int64) { return "", 0 }
