// Command gen makes public/sdk/sluice.js, which browsers load, from its source in public/sdk/src: one file, without comments
// and spaces. Run it with go generate ./public.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	if err := write("sdk"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// write makes the file of the SDK in a folder.
func write(folder string) error {
	text, err := bundle(folder)
	if err != nil {
		return err
	}
	return os.WriteFile(made(folder), text, 0o644) // like any source file
}

func made(folder string) string { return filepath.Join(folder, "sluice.js") }

// inside are names of properties that only the source uses, and that nobody sees: not options, not fields of events, of answers
// or of messages between tabs, which another version of the file reads too. They become shorter.
const inside = "^(sleep|rest|call|follow|rouse|doubtful|patience|look|cut|pattern|match|fn|self)$"

// banner leads readers of the file to its source.
const banner = "// src"

func bundle(folder string) ([]byte, error) {
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{filepath.Join(folder, "src", "sluice.js")}, Bundle: true, Format: api.FormatESModule, Target: api.ES2022,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone,
		MangleProps: inside,
		Banner:      map[string]string{"js": banner},
	})
	var errs []error
	for _, m := range result.Errors {
		errs = append(errs, fmt.Errorf("%s:%d: %s", m.Location.File, m.Location.Line, m.Text))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return result.OutputFiles[0].Contents, nil
}
