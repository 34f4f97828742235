// Package cli is the command line: serve, and the commands for daily work, one file each. It reads the settings, and serve
// gives them to the package gateway, which builds everything else.
//
// A command is a struct of options with a Run method, and a function that makes its cobra.Command with its flags; root.go
// puts them together. Set no template of cobra's: text/template looks methods up by name, see docs/adr/0013.
//
// Exit codes: 0 for success, 1 for a failure, 2 for wrong arguments or settings.
package cli

//go:generate go run ./gen
