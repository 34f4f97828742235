package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

// Words that clients and operators act on, although they are no codes of errors: why a stream ended, why there is a gap,
// with which code a WebSocket closes. Each kind has one type or one set of constants in the code, and one table.

// TestDocumentedReasons: the tables of reasons have the words of the code, and no others.
func TestDocumentedReasons(t *testing.T) {
	t.Parallel()
	protocolPage, sdk := readPage(t, protocol), readPage(t, "public/sdk/sluice.d.ts").text
	ends := constantsOf(t, "End", "broker", "handlers/writers")
	lives := constantsOf(t, "End", "auth/grant")
	gaps := constantsOf(t, "Gap", "store/eventlog")
	delete(gaps, "") // NoGap
	ranges := constantsOf(t, "RangeEnd", "handlers/writers")
	expired := firstCells(protocolPage.table(t, "| `reason` | cause | `retry` |"))
	for _, one := range []struct {
		what              string
		exist, documented set
	}{
		{"the ends of streams, in docs/operations.md", ends, firstCells(readPage(t, "docs/operations.md").table(t, "| reason | why the stream or socket ended |"))},
		{"the reasons of gaps, in docs/protocol.md", gaps, firstCells(protocolPage.table(t, "| `reason` | cause | the stream continues from |"))},
		{"the reasons of gaps, in the SDK's types", gaps, union(between(t, sdk, `gap: {`, `}`))},
		{"the reasons of expired, in the SDK's types", expired, union(between(t, sdk, `expired: {`, `}`))},
		{"the parameters that end a range, in docs/protocol.md", ranges, setOf(spans(between(t, protocolPage.text, "| where ", " ends the stream.")))},
	} {
		same(t, one.what, one.exist, one.documented)
	}
	// The reasons of expired are the ends that a frame of appendLast names: those of credentials, and the end of their time.
	lives.add("exp")
	same(t, "the reasons of expired, in docs/protocol.md", lives, expired)
	for reason := range expired {
		if !ends[reason] {
			t.Errorf("%s: a stream never ends by %s", protocol, reason)
		}
	}
}

// TestDocumentedCloseCodes: the table of close codes has those that the doors of WebSockets close with.
func TestDocumentedCloseCodes(t *testing.T) {
	t.Parallel()
	documented := set{}
	for _, row := range rows(readPage(t, protocol).section(t, "Close codes of WebSockets")) {
		documented.add(strings.TrimSpace(row[0]))
	}
	exist := set{}
	for _, m := range statusName.FindAllStringSubmatch(codeOf(t, "handlers"), -1) {
		if m[1] == "StatusCode" { // the type
			continue
		}
		code, ok := closeCodes[m[1]]
		if !ok {
			t.Errorf("add the number of websocket.%s to closeCodes", m[1])
		}
		exist.add(code)
	}
	same(t, "close codes, in docs/protocol.md", exist, documented)
}

var statusName = regexp.MustCompile(`websocket\.(Status[A-Z]\w+)`)

// closeCodes are numbers of RFC 6455, section 7.4.1, and of its registry.
var closeCodes = map[string]string{
	"StatusNormalClosure": "1000", "StatusGoingAway": "1001", "StatusProtocolError": "1002", "StatusUnsupportedData": "1003",
	"StatusInvalidFramePayloadData": "1007",
	"StatusPolicyViolation":         "1008", "StatusMessageTooBig": "1009", "StatusInternalError": "1011", "StatusTryAgainLater": "1013",
}

// TestDocumentedFrames: the names of the gateway's own frames stand in the table of frames, and nobody can publish them.
func TestDocumentedFrames(t *testing.T) {
	t.Parallel()
	page := readPage(t, protocol)
	frames := set{}
	for _, m := range regexp.MustCompile(`event: ([a-z]+)\\n`).FindAllStringSubmatch(codeOf(t, "broker/sse"), -1) {
		frames.add(m[1])
	}
	documented := firstCells(page.table(t, "| frame | `id` | `retry` |"))
	same(t, "the gateway's own frames, in docs/protocol.md", frames, documented)

	reserved := set{}
	ast.Inspect(parse(t, "channel/name.go"), func(n ast.Node) bool {
		if pair, ok := n.(*ast.KeyValueExpr); ok {
			if text, ok := literal(pair.Key); ok {
				reserved.add(text)
			}
		}
		return true
	})
	_, after, _ := strings.Cut(page.section(t, "1. Words"), "These names of events are reserved:")
	list, _, _ := strings.Cut(after, "and all that begin")
	same(t, "reserved names, in docs/protocol.md", reserved, setOf(spans(list)))
	for name := range frames {
		if !reserved[name] {
			t.Errorf("the frame %s can be taken for an event of that name: reserve it in channel/name.go", name)
		}
	}
}

// same fails the test unless both sets have the same words.
func same(t *testing.T, what string, exist, documented set) {
	t.Helper()
	if len(exist) == 0 {
		t.Errorf("%s: the code has none; docs_words_test.go must read them where they are declared now", what)
	}
	for word := range exist {
		if !documented[word] {
			t.Errorf("%s: %s is missing", what, word)
		}
	}
	for word := range documented {
		if !exist[word] {
			t.Errorf("%s: there is no %s", what, word)
		}
	}
}

// constantsOf are the values of the constants of a type that packages declare, or share.
func constantsOf(t *testing.T, kind string, packages ...string) set {
	t.Helper()
	values := set{}
	for _, folder := range packages {
		for _, path := range filesBelow(t, folder) {
			ast.Inspect(parse(t, path), func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok || !isType(spec.Type, kind) {
					return true
				}
				for _, value := range spec.Values {
					if text, ok := literal(value); ok {
						values.add(text)
					}
				}
				return true
			})
		}
	}
	return values
}

// isType reports whether an expression names a type, of any package.
func isType(of ast.Expr, name string) bool {
	switch of := of.(type) {
	case *ast.Ident:
		return of.Name == name
	case *ast.SelectorExpr:
		return of.Sel.Name == name
	}
	return false
}

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// filesBelow are the files of a folder and below it, without tests.
func filesBelow(t *testing.T, folder string) (paths []string) {
	t.Helper()
	walk(t, func(path string) {
		if strings.HasPrefix(path, folder+"/") && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			paths = append(paths, path)
		}
	})
	return paths
}

// codeOf is the text of those files.
func codeOf(t *testing.T, folder string) string {
	t.Helper()
	var all strings.Builder
	for _, path := range filesBelow(t, folder) {
		all.WriteString(readPage(t, path).text)
	}
	return all.String()
}

// table is the table with a head, up to the first line that is no row.
func (d document) table(t *testing.T, head string) string {
	t.Helper()
	begin := strings.Index(d.text, head+"\n")
	if begin < 0 {
		t.Fatalf("%s has no table with the head %s", d.path, head)
	}
	text, _, _ := strings.Cut(d.text[begin:], "\n\n")
	return text
}

// firstCells are the words of a table's first column in back-quotes.
func firstCells(table string) set {
	words := set{}
	for _, row := range rows(table) {
		words.addAll(spans(row[0])...)
	}
	return words
}

func setOf(words []string) set {
	s := set{}
	s.addAll(words...)
	return s
}

// between is the text between two others.
func between(t *testing.T, text, begin, end string) string {
	t.Helper()
	_, after, found := strings.Cut(text, begin)
	inner, _, ends := strings.Cut(after, end)
	if !found || !ends {
		t.Fatalf("there is nothing between %q and %q", begin, end)
	}
	return inner
}

// union are the words of a union of strings in TypeScript, as in "a" | "b".
func union(text string) set {
	words := set{}
	for _, m := range regexp.MustCompile(`"([a-z]+)"`).FindAllStringSubmatch(text, -1) {
		words.add(m[1])
	}
	return words
}
