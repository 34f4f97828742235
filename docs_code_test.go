package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/labstack/echo/v4"

	"sluice/config"
	"sluice/gateway"
)

// source is what the code has of what documents name.
type source struct {
	codes, directusCodes, persistrNames set
	metrics, settings                   set
	doors                               set     // names of doors in metrics and the audit trail
	routes                              []route // of METRICS_ADDR, which are no routes of echo
	tests                               set
	files                               set // base names
	parts                               set // names of a test's parts: the keys of maps of tests
	words                               set // what Go and JavaScript files but tests spell, and scripts
	targets                             set // of make

	constants map[string]string // by name, in any package
	codeNames set               // names of constants that are codes
}

var (
	readOnce sync.Once
	readAll  source
)

// readCode reads it once.
func readCode(t *testing.T) *source {
	t.Helper()
	readOnce.Do(func() {
		s := &readAll
		for _, one := range []*set{&s.codes, &s.directusCodes, &s.persistrNames, &s.metrics, &s.settings, &s.doors, &s.tests, &s.files, &s.parts, &s.words, &s.targets} {
			*one = set{}
		}
		s.constants, s.codeNames = map[string]string{}, set{}
		walk(t, func(path string) { s.file(t, path) })
		s.readSettings(t)
		for name := range s.codeNames {
			if code := s.constants[name]; snakeCase.MatchString(code) {
				s.codes.add(code)
			}
		}
	})
	return &readAll
}

var word = regexp.MustCompile(`[A-Za-z]\w*`)

func (s *source) file(t *testing.T, path string) {
	t.Helper()
	s.files.add(path[strings.LastIndex(path, "/")+1:])
	if strings.HasSuffix(path, ".md") {
		return
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	isTest := strings.HasSuffix(path, "_test.go")
	if strings.HasPrefix(path, "examples/") && !isTest {
		return // their words and routes are not the gateway's
	}
	switch {
	case strings.HasSuffix(path, ".go"):
		if !isTest {
			s.words.addAll(word.FindAllString(text, -1)...)
		}
		s.golang(t, path, text, isTest)
	case strings.HasPrefix(path, "public/"), strings.HasPrefix(path, "scripts/"), path == "Makefile":
		s.words.addAll(word.FindAllString(text, -1)...)
	}
	if path == "Makefile" {
		for _, m := range regexp.MustCompile(`(?m)^([a-z0-9-]+):`).FindAllStringSubmatch(text, -1) {
			s.targets.add(m[1])
		}
	}
}

func (s *source) golang(t *testing.T, path, text string, isTest bool) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && isTest && f.Recv == nil {
			s.tests.add(f.Name.Name)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if text, ok := literal(n); ok {
			if !isTest && text != "" && metricName.FindString(text) == text {
				s.metrics.add(text)
			}
		}
		if !isTest {
			s.find(path, file.Name.Name, n)
		}
		return true
	})
}

// find finds the codes of errors where they are declared, and the routes of METRICS_ADDR.
func (s *source) find(path, pkg string, n ast.Node) {
	switch n := n.(type) {
	case *ast.ValueSpec:
		for i, value := range n.Values {
			text, ok := literal(value)
			if ok {
				s.constants[n.Names[i].Name] = text
				if name := n.Names[i].Name; name == "doorName" || pkg == "traffic" && strings.HasPrefix(name, "Door") {
					s.doors.add(text)
				}
			}
			switch {
			case ok && camelCase.MatchString(text) && (strings.HasSuffix(path, "/codes.go") || pkg == "persistr" && strings.HasPrefix(n.Names[i].Name, "name")):
				s.persistrNames.add(text)
			case strings.HasSuffix(path, "/codes.go"), strings.HasSuffix(path, "auth/errors.go"):
				s.code(value)
			case !ok:
			case upperCase.MatchString(text) && strings.HasPrefix(n.Names[i].Name, "code"):
				s.directusCodes.add(text)
			}
		}
	case *ast.KeyValueExpr:
		if f, ok := n.Value.(*ast.Ident); ok && strings.HasPrefix(f.Name, "test") {
			if text, ok := literal(n.Key); ok {
				s.parts.add(text)
			}
		}
		key, isName := n.Key.(*ast.Ident)
		switch {
		case !isName:
		case key.Name == "Code" && pkg != "client": // which has a code of its own
			s.code(n.Value)
		}
	case *ast.CallExpr:
		s.call(pkg, n)
	}
}

func (s *source) call(pkg string, n *ast.CallExpr) {
	switch f := n.Fun.(type) {
	case *ast.Ident:
		if f.Name == "unauthorized" && pkg == "auth" {
			s.code(n.Args[0])
		}
	case *ast.SelectorExpr:
		if text, ok := argument(n, 0); ok && (f.Sel.Name == "Handle" || f.Sel.Name == "HandleFunc") {
			s.routes = append(s.routes, route{"", text[strings.Index(text, "/"):], false})
		}
	}
}

// code notes a code: a text, or the constant that holds it.
func (s *source) code(n ast.Expr) {
	switch n := n.(type) {
	case *ast.Ident:
		s.codeNames.add(n.Name)
	case *ast.SelectorExpr:
		s.codeNames.add(n.Sel.Name)
	default:
		if text, ok := literal(n); ok {
			s.codes.add(text)
		}
	}
}

func argument(n *ast.CallExpr, i int) (string, bool) {
	if i >= len(n.Args) {
		return "", false
	}
	return literal(n.Args[i])
}

func literal(n ast.Node) (string, bool) {
	lit, ok := n.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// readSettings takes the settings from a Config; a secret can come from a file too.
func (s *source) readSettings(t *testing.T) {
	t.Helper()
	c, err := config.Load(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range c.Effective() {
		s.settings.add(one.Name)
		if one.Secret {
			s.settings.add(one.Name + "_FILE")
		}
	}
}

// readRoutes are the routes of a whole gateway, and those of METRICS_ADDR.
func readRoutes(t *testing.T) []route {
	t.Helper()
	cfg, err := config.Load([]string{"DATA_DIR=memory", "ADMIN_KEY=0123456789abcdef"}, "")
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(cfg, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	router, ok := g.Server().Handler.(interface {
		http.Handler
		Routes() []*echo.Route
	})
	if !ok {
		t.Fatal("the gateway's handler has no method Routes")
	}
	all := readCode(t).routes
	for _, r := range router.Routes() {
		if r.Method != echo.RouteNotFound {
			all = append(all, route{r.Method, r.Path, false})
		}
	}
	if len(all) < 50 {
		t.Fatalf("only %d routes were found", len(all))
	}
	return all
}
