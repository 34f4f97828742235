// Command gen makes the modules of public/sdk, which browsers load, from their source in public/sdk/src: each one file, without
// comments and spaces. Run it with go generate ./public.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	for _, m := range modules {
		if err := m.write("sdk"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// module is one file of the SDK, of the same name as its source.
type module struct {
	name     string
	external []string // what it imports when it runs
	mangle   string   // names of properties that become shorter
	banner   string
}

var modules = []module{
	{
		name: "sluice.js",
		// The names are of properties that only the source uses, and that nobody sees: not options, not fields of events, of
		// answers or of messages between tabs, which another version of the file reads too.
		mangle: "^(sleep|rest|call|follow|rouse|doubtful|patience|look|cut|pattern|match|fn|self)$",
		banner: "// src", // leads readers of the file to its source
	},
	{
		name:     "react.js",
		external: []string{"react", "./sluice.js"}, // the same connections as in the rest of the page
		banner:   "// made of src/react.js",
	},
}

// write makes the file in a folder.
func (m module) write(folder string) error {
	text, err := m.bundle(folder)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, m.name), text, 0o644) // like any source file
}

func (m module) bundle(folder string) ([]byte, error) {
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{filepath.Join(folder, "src", m.name)}, Bundle: true, Format: api.FormatESModule, Target: api.ES2022,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone,
		External: m.external, MangleProps: m.mangle,
		Banner: map[string]string{"js": m.banner},
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
