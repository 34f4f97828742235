package rows

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// declared reads the registry's constants from its source, so that no second list can differ from it.
func declared(t *testing.T) map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "rows.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, d := range file.Decls {
		for _, spec := range d.(*ast.GenDecl).Specs {
			v := spec.(*ast.ValueSpec)
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found[v.Names[0].Name] = text
		}
	}
	return found
}

// TestPrefixesAreApart: reading the rows of one kind gives no rows of another.
func TestPrefixesAreApart(t *testing.T) {
	all := declared(t)
	if all["Database"] != Database || len(all) < 10 {
		t.Fatalf("%d prefixes were read: %v", len(all), all)
	}
	for name, prefix := range all {
		if !strings.HasSuffix(prefix, "/") {
			t.Errorf("%s is %q, without a slash at the end", name, prefix)
		}
		for other, longer := range all {
			if name != other && strings.HasPrefix(longer, prefix) {
				t.Errorf("%s (%q) begins with %s (%q)", other, longer, name, prefix)
			}
		}
	}
}
