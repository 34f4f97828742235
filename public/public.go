// Package public holds what browsers load, embedded in the binary and served as it is: no build
// step, no outside host.
package public

import "embed"

// Files are the page at /, what it loads from /ui, and the SDK at /sdk.
//
//go:embed index.html ui sdk
var Files embed.FS
