package handlers

import (
	"regexp"
	"strings"
	"testing"
)

// The pages work below a path of a proxy too, so nothing in them is asked for at the root of the host.
func TestPagesAskForNothingAtTheRoot(t *testing.T) {
	t.Parallel()
	root := regexp.MustCompile(`(href|src)="/|fetch\(["'/` + "`" + `]|location\.origin|from "/|url\(/`)
	for name, file := range loadAssets() {
		if !strings.HasPrefix(name, "/ui/") && name != "/index.html" {
			continue
		}
		if at := root.Find(file.content); at != nil {
			t.Errorf("%s has %q", name, at)
		}
	}
}
