// Package public holds what browsers load, embedded in the binary and served as it is: no build
// step, no outside host.
package public

import _ "embed"

// Index is the page at /.
//
//go:embed index.html
var Index []byte
