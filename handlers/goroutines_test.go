package handlers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestGoroutinesContainPanics: a panic in a goroutine that nothing recovers ends the whole process, so each that a door starts
// defers a lease's Contain. A door that looks after something for as long as it is open uses a sync.WaitGroup's Go.
func TestGoroutinesContainPanics(t *testing.T) {
	t.Parallel()
	found := 0
	for _, door := range []string{"realtime", "persistr", "driftdb", "directus", "restdb", "admin"} {
		files, err := filepath.Glob(filepath.Join(door, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(door, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if start, ok := n.(*ast.GoStmt); ok {
					found++
					if !contains(start) {
						t.Errorf("%s: a goroutine does not defer Contain", set.Position(start.Pos()))
					}
				}
				return true
			})
		}
	}
	if found < 3 {
		t.Errorf("only %d goroutines were found", found)
	}
}

// contains reports whether a goroutine's own function defers a call of Contain.
func contains(start *ast.GoStmt) bool {
	body, ok := start.Call.Fun.(*ast.FuncLit)
	if !ok {
		return false
	}
	for _, s := range body.Body.List {
		if d, ok := s.(*ast.DeferStmt); ok {
			if call, ok := d.Call.Fun.(*ast.SelectorExpr); ok && call.Sel.Name == "Contain" {
				return true
			}
		}
	}
	return false
}
