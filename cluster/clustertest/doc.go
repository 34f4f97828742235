// Package clustertest runs clusters for tests: NATS servers and gateways as processes of their own, on loopback. Tests can
// kill, stop, pause and restart each of them.
//
// Invariants: every process ends with its test, and on Linux also when the test's process is killed. The ports of a cluster
// belong to it until the test ends, so a process that starts again finds its own free. Nothing waits longer than Patience.
// If a test fails, the last lines of each process are printed.
package clustertest
