// Package public embeds the files that browsers load into the binary. They load nothing from other hosts. Only the SDK
// and the descriptions have a build step: go generate makes one small file of the source in sdk/src, and JSON of docs/openapi.yaml
// and docs/asyncapi.yaml.
package public

import "embed"

//go:generate go run ./gen
//go:generate go run -C ../openapi ./gen

// Files has the page at /, the files that it loads from /ui, the SDK at /sdk, and what describes the gateway to programs.
//
//go:embed index.html ui sdk openapi.json asyncapi.json
var Files embed.FS
