// Package public holds what browsers load, embedded in the binary and served as it is: no outside host, and no build step but
// that of the SDK, which go generate makes one small file of its source in sdk/src.
package public

import "embed"

//go:generate go run ./gen

// Files are the page at /, what it loads from /ui, and the SDK at /sdk.
//
//go:embed index.html ui sdk
var Files embed.FS
