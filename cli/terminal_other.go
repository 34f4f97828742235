//go:build !windows

package cli

import "io"

// enableEscapes reports whether the terminal behind w takes escape sequences. All do.
func enableEscapes(io.Writer) bool { return true }
