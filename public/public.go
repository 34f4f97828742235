// Package public embeds the files that browsers load into the binary. They load nothing from other hosts. Only the SDK has
// a build step: go generate makes one small file of its source in sdk/src.
package public

import "embed"

//go:generate go run ./gen

// Files has the page at /, the files that it loads from /ui, and the SDK at /sdk.
//
//go:embed index.html ui sdk
var Files embed.FS
