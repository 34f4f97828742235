package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// notGateway are folders whose goroutines run in no gateway.
var notGateway = []string{"bench", "cli", "client", "load", "gateway/gatewaytest", "cluster/clustertest", "store/eventlog/logtest", "node_modules", "scripts", "e2e"}

// uncontained are the functions, and whole folders, whose goroutines and timers need no Contain, with the reason. The process
// ends if they panic.
var uncontained = map[string]string{
	"auth":                                      "works for keys and tokens, not for a connection",
	"auth/grant":                                "calls what ends or wakes a stream",
	"store/eventlog":                            "an event may be stored in part, so the process must not go on",
	"store/eventlog/pebble":                     "the same",
	"store/pause":                               "reads the clock",
	"cluster/peers (*Peers).Start":              "run contains each step",
	"gateway New":                               "notes a cause",
	"gateway (*Gateway).Serve":                  "net/http recovers each request",
	"gateway (*Gateway).openSnapshots":          "run contains each step",
	"gateway (*Gateway).serveMetrics":           "the same",
	"handlers/admin New":                        "keep contains each step",
	"handlers/audit New":                        "keep contains each step",
	"handlers/body read":                        "closes an account",
	"handlers/driftdb New":                      "keep contains each step",
	"handlers/traffic (*Metrics).Counts":        "reads counters",
	"handlers/writers (*goroutineStream).begin": "wakes the stream",
	"handlers/writers newShared":                "run and poll contain what they do for a stream",
	"handlers/writers (*fetches).add":           "run contains what it does for a stream",
	"store/documents (*answer).end":             "closes an account",
	"store/rooms Open":                          "keep contains each step",
	"store/subscriptions Open":                  "run contains each step",
}

// TestGoroutinesContainPanics: a panic in a goroutine that nothing recovers ends the whole process. So each function that a
// gateway runs in a goroutine or by a timer defers Contain, or is in the table.
func TestGoroutinesContainPanics(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for folder, files := range goFiles(t) {
		starts, contained := goroutines(files)
		for _, s := range starts {
			at := folder + " " + s.in
			if s.contained(contained) {
				continue
			}
			if _, ok := uncontained[folder]; ok {
				at = folder
			} else if _, ok := uncontained[at]; !ok {
				t.Errorf("%s starts a goroutine or a timer that does not defer Contain: see store/panics, and traffic.Lease", at)
			}
			used[at] = true
		}
	}
	for at := range uncontained {
		if !used[at] {
			t.Errorf("%s starts no goroutine without Contain: remove it from the table", at)
		}
	}
}

// goFiles parses the files of each folder, without tests.
func goFiles(t *testing.T) map[string][]*ast.File {
	t.Helper()
	all := map[string][]*ast.File{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.ContainsFunc(notGateway, func(n string) bool { return path == n || strings.HasSuffix(path, "/"+n) }):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		all[filepath.Dir(path)] = append(all[filepath.Dir(path)], file)
		return err
	})
	if err != nil || len(all) < 30 {
		t.Fatalf("%d folders: %v", len(all), err)
	}
	return all
}

// start is a place that starts a goroutine, and the function that the goroutine runs.
type start struct {
	in  string
	run ast.Expr
}

// goroutines finds the starts in a package, and its functions that defer Contain.
func goroutines(files []*ast.File) (starts []start, contained map[string]bool) {
	contained = map[string]bool{}
	for _, file := range files {
		for _, decl := range file.Decls {
			in := ""
			if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil {
				in = nameOf(f)
				before, ok := contained[f.Name.Name]
				contained[f.Name.Name] = (before || !ok) && contains(f.Body) // methods of several types may have the name
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					starts = append(starts, start{in, n.Call.Fun})
				case *ast.CallExpr:
					if f, ok := n.Fun.(*ast.SelectorExpr); ok && len(n.Args) > 0 && (f.Sel.Name == "AfterFunc" || f.Sel.Name == "Go") {
						starts = append(starts, start{in, n.Args[len(n.Args)-1]})
					}
				}
				return true
			})
		}
	}
	return starts, contained
}

// nameOf returns the name of a function, with its receiver as in "(*conn).serve".
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	of, star := f.Recv.List[0].Type, ""
	if p, ok := of.(*ast.StarExpr); ok {
		of, star = p.X, "*"
	}
	if g, ok := of.(*ast.IndexExpr); ok { // of a generic type
		of = g.X
	}
	return fmt.Sprintf("(%s%v).%s", star, of, f.Name.Name)
}

// contained reports whether the goroutine's own function defers Contain. A function with a name is one of the package.
func (s start) contained(named map[string]bool) bool {
	switch run := s.run.(type) {
	case *ast.FuncLit:
		return contains(run.Body)
	case *ast.SelectorExpr:
		return named[run.Sel.Name]
	case *ast.Ident:
		return named[run.Name]
	}
	return false
}

// contains reports whether a function defers a call of Contain.
func contains(body *ast.BlockStmt) bool {
	return slices.ContainsFunc(body.List, func(s ast.Stmt) bool {
		d, ok := s.(*ast.DeferStmt)
		if !ok {
			return false
		}
		name := ""
		switch f := d.Call.Fun.(type) {
		case *ast.SelectorExpr:
			name = f.Sel.Name
		case *ast.Ident:
			name = f.Name
		}
		return strings.EqualFold(name, "contain")
	})
}
