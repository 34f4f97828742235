//go:build race

package broker_test

// farBack is how far back a resume begins. With the race detector, a million events take a minute, so make unit also runs
// that test without it.
const farBack = 100_001
