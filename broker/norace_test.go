//go:build !race

package broker_test

const farBack = 1_000_001
