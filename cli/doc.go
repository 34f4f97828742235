// Package cli is the command line: serve, and the commands for daily work, one file each. It reads the settings, and serve
// gives them to the package gateway, which builds everything else.
//
// Exit codes: 0 for success, 1 for a failure, 2 for wrong arguments or settings.
package cli
