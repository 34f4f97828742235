//go:build race

package broker_test

// farBack is how far back a resume begins. The race detector makes a million events take a minute; make unit runs that
// test a second time, without it.
const farBack = 100_001
