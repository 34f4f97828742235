package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layers are the packages from the top to the bottom. A package imports packages of its own entry and of the layers
// below, never of those above and never of another entry on its layer. "x/..." is x and all below it; of the entries that
// stand for a package the longest counts, and its own name before all.
var layers = [][]string{
	{"."},
	{"cli/..."},                 // the command line
	{"gateway/..."},             // builds and runs a whole gateway
	{"handlers"},                // the server: all doors together
	doors(),                     // one package for each kind of client
	{"handlers/..."},            // what doors share
	{"broker/...", "auth/..."},  // fan-out; credentials to grants
	{"store/...", "config/..."}, // the log and the models behind the doors; the settings
	{"channel/...", "auth/peer", "client/...", "load/...", "public/...", "cluster/..."}, // what needs none of the others
}

// doors are the packages that have a door: a type with CORS rules.
func doors() (found []string) {
	files, err := filepath.Glob("handlers/*/*.go")
	if err != nil {
		panic(err) // the pattern is ours
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err) // a test that cannot read the code cannot check it
		}
		folder := filepath.Dir(file)
		if !strings.HasSuffix(file, "_test.go") && strings.Contains(string(text), ") CORS() []cors.Rule") && !slices.Contains(found, folder) {
			found = append(found, folder)
		}
	}
	return found
}

// only are packages that not everybody below their users may import.
var only = []struct {
	what string
	by   []string
}{
	{"github.com/labstack/echo/...", []string{"handlers/..."}},
	{"net/http/...", []string{"cli/...", "gateway/...", "handlers/...", "auth/...", "client/...", "load/...", "cluster/clustertest"}},
	{"sluice/store/eventlog/memory", []string{"gateway/..."}}, // an engine is chosen where a gateway is built
	{"sluice/store/eventlog/pebble", []string{"gateway/..."}},
	{"github.com/nats-io/nats.go/...", []string{"cluster/...", "store/eventlog/journal", "cli/..."}},
	{"sluice/store/eventlog/journal", []string{"gateway/...", "cli/..."}},
	{"sluice/auth/peer", []string{"cli/...", "gateway/...", "handlers/...", "auth/...", "config/..."}}, // not the store
}

// fits reports whether a package is one that a pattern stands for.
func fits(pattern, name string) bool {
	root, subtree := strings.CutSuffix(pattern, "/...")
	return name == root || subtree && strings.HasPrefix(name, root+"/")
}

// layerOf finds the entry of a package, and its layer; -1 where there is none.
func layerOf(name string) (layer int, entry string) {
	layer = -1
	for i, entries := range layers {
		for _, e := range entries {
			if e == name {
				return i, e
			}
			if fits(e, name) && len(e) > len(entry) {
				layer, entry = i, e
			}
		}
	}
	return layer, entry
}

// local is the name of a package of ours in the table.
func local(path string) (name string, ours bool) {
	if path == "sluice" {
		return ".", true
	}
	return strings.CutPrefix(path, "sluice/")
}

// wrong says what is wrong with an import; "" where nothing is.
func wrong(from, to string) string {
	name, _ := local(from)
	for _, o := range only {
		if fits(o.what, to) && !slices.ContainsFunc(o.by, func(by string) bool { return fits(by, name) }) {
			return "only " + strings.Join(o.by, ", ") + " may import it"
		}
	}
	target, ours := local(to)
	if !ours {
		return ""
	}
	layer, entry := layerOf(name)
	below, other := layerOf(target)
	switch {
	case layer < 0 || below < 0:
		return "one of them has no layer: put it into the table"
	case below < layer:
		return "that is a layer above"
	case below == layer && entry != other:
		return "that is another room on the same layer"
	}
	return ""
}

// TestLayers: imports go downwards only, on every system that we build for. Tests may import what they need.
func TestLayers(t *testing.T) {
	t.Parallel()
	for _, system := range []string{"linux", "darwin", "windows"} {
		list := exec.Command("go", "list", "-f", "{{$p := .ImportPath}}{{range .Imports}}{{$p}} {{.}}\n{{end}}", "./...")
		list.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		list.Stderr = os.Stderr
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Fields(string(out))
		if len(lines) < 1000 {
			t.Fatalf("go list shows %d imports only", len(lines)/2)
		}
		for pair := range slices.Chunk(lines, 2) {
			if why := wrong(pair[0], pair[1]); why != "" {
				t.Errorf("%s: %s imports %s: %s", system, pair[0], pair[1], why)
			}
		}
	}
}

// TestDoorsAreFound: doors finds the doors that we have.
func TestDoorsAreFound(t *testing.T) {
	t.Parallel()
	for _, door := range []string{"realtime", "persistr", "driftdb", "restdb", "directus", "admin"} {
		if !slices.Contains(doors(), "handlers/"+door) {
			t.Errorf("doors finds %q, and not handlers/%s", doors(), door)
		}
	}
}

// Imports that would break the floors are found.
func TestLayersFindWrongImports(t *testing.T) {
	t.Parallel()
	for pair, want := range map[[2]string]bool{
		{"sluice/store/streams", "sluice/broker/sse"}:                true,
		{"sluice/store/rooms", "sluice/config"}:                      true,
		{"sluice/store/rooms", "net/http"}:                           true,
		{"sluice/store/rooms", "sluice/auth/peer"}:                   true,
		{"sluice/broker", "sluice/store/eventlog/pebble"}:            true,
		{"sluice/broker", "sluice/auth"}:                             true,
		{"sluice/auth/user", "github.com/labstack/echo/v4"}:          true,
		{"sluice/handlers/restdb", "sluice/handlers/directus"}:       true,
		{"sluice/handlers/body", "sluice/handlers"}:                  true,
		{"sluice/channel", "sluice/store/eventlog"}:                  true,
		{"sluice/elsewhere", "sluice/channel"}:                       true,
		{"sluice/cli", "sluice/elsewhere"}:                           true,
		{"sluice", "sluice/cli"}:                                     false,
		{"sluice/cli", "sluice/store/eventlog/pebble"}:               true,
		{"sluice/gateway", "sluice/store/eventlog/pebble"}:           false,
		{"sluice/gateway", "sluice/cli"}:                             true,
		{"sluice/handlers/directus", "sluice/store/documents/query"}: false,
		{"sluice/store/rooms", "sluice/store/eventlog"}:              false,
		{"sluice/config", "sluice/auth/peer"}:                        false,
		{"sluice/handlers", "sluice/handlers/audit"}:                 false,
	} {
		if why := wrong(pair[0], pair[1]); (why != "") != want {
			t.Errorf("%s imports %s: %q", pair[0], pair[1], why)
		}
	}
}
