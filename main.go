// Command sluice is a Server-Sent Events pub/sub gateway: servers POST events, browsers and
// programs receive them. See README.md, or run it with --help.
package main

import (
	"os"

	"sluice/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
