package clustertest

import "syscall"

// attributes let a process end with the one that started it, also when that is killed, as go test does after a time-out.
// Cleanups do not run then.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
