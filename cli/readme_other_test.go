//go:build !linux

package cli_test

const pasted = "SLUICE_TEST_PASTED"

// runPasted is for Linux, which has the namespaces that it needs.
func runPasted() int { return 1 }
