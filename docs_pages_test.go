package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// set is a set of words.
type set map[string]bool

func (s set) add(word string) { s[word] = true }

func (s set) addAll(words ...string) {
	for _, w := range words {
		s.add(w)
	}
}

// document is one page of Markdown.
type document struct{ path, text string }

// isHistory reports whether a page records decisions as they were made. It may name what has gone since.
func (d document) isHistory() bool { return strings.HasPrefix(d.path, "docs/adr/") }

func readPage(t *testing.T, path string) document {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return document{path, string(text)}
}

// pages are all documents of the repository.
func pages(t *testing.T) (all []document) {
	t.Helper()
	walk(t, func(path string) {
		if strings.HasSuffix(path, ".md") {
			all = append(all, readPage(t, path))
		}
	})
	if len(all) < 10 {
		t.Fatalf("only %d documents were found", len(all))
	}
	return all
}

// walk calls f with each file of ours.
func walk(t *testing.T, f func(path string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (slices.Contains([]string{"node_modules", "testdata", "data", "bin"}, entry.Name()) || entry.Name()[0] == '.'):
			return filepath.SkipDir
		case !entry.IsDir():
			f(filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// section is the text below a heading, up to the next one of its level.
func (d document) section(t *testing.T, heading string) string {
	t.Helper()
	begin := regexp.MustCompile(`(?m)^(#+) ` + regexp.QuoteMeta(heading) + `$`).FindStringSubmatchIndex(d.text)
	if begin == nil {
		t.Fatalf("%s has no section %q", d.path, heading)
	}
	rest := d.text[begin[1]:]
	level := begin[3] - begin[2]
	if end := regexp.MustCompile(fmt.Sprintf(`(?m)^#{1,%d} `, level)).FindStringIndex(rest); end != nil {
		rest = rest[:end[0]]
	}
	return rest
}

// rows are the rows of a text's tables, cell by cell, without heads.
func rows(text string) (all [][]string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		if strings.HasPrefix(line, "| ---") {
			all = all[:len(all)-1]
			continue
		}
		all = append(all, strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|"))
	}
	return all
}

var (
	fence      = regexp.MustCompile("(?ms)^```.*?^```")
	span       = regexp.MustCompile("`([^`\n]+)`")
	snakeCase  = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	upperCase  = regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)
	camelCase  = regexp.MustCompile(`^([A-Z][a-z]+)+$`)
	metricName = regexp.MustCompile(`\bsluice_[a-z_]*[a-z]\b`)
	assignment = regexp.MustCompile(`\b([A-Z]+(?:_[A-Z]+)+)=`)
	testName   = regexp.MustCompile(`\b((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9]*)(?:/([a-z_]+))?\b`)
	makeTarget = regexp.MustCompile("`make ([a-z0-9-]+)[^`]*`")
)

// spans are the words that stand in back-quotes.
func spans(text string) (words []string) {
	for _, m := range span.FindAllStringSubmatch(text, -1) {
		words = append(words, m[1])
	}
	return words
}

// spans are those of the page's prose.
func (d document) spans() []string { return spans(fence.ReplaceAllString(d.text, "")) }

// fileName is a file's name of the kinds that documents name without a folder too.
var fileName = regexp.MustCompile(`^[\w.-]+\.(go|mjs|md|sh)$`)

// isFile reports whether a word names a file or folder of ours: a path from the top, or a folder with a slash behind it.
func isFile(word string) bool {
	if strings.HasPrefix(word, "bin/") {
		return false // make builds it
	}
	if fileName.MatchString(word) {
		return true
	}
	if !regexp.MustCompile(`^\w[\w.-]*(/[\w.*-]*)+$`).MatchString(word) {
		return false
	}
	first, _, _ := strings.Cut(word, "/")
	_, err := os.Stat(first)
	return err == nil || strings.HasSuffix(word, "/") || fileName.MatchString(filepath.Base(word))
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// links are the page's links to files and headings.
func (d document) links() (all []string) {
	for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(d.text, ""), -1) {
		if !strings.Contains(m[1], "://") {
			all = append(all, m[1])
		}
	}
	return all
}

// follow says what is wrong with a link, or "".
func (d document) follow(t *testing.T, link string) string {
	t.Helper()
	file, heading, _ := strings.Cut(link, "#")
	target := d
	if file != "" {
		path := filepath.Join(filepath.Dir(d.path), file)
		if _, err := os.Stat(path); err != nil {
			return "there is no such file"
		}
		if heading == "" {
			return ""
		}
		target = readPage(t, path)
	}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(fence.ReplaceAllString(target.text, ""), -1) {
		if anchor(m[1]) == heading {
			return ""
		}
	}
	return "there is no such heading"
}

// anchor is the name that GitHub gives to a heading.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// route is a method and a path; any method where it is "". In documents words in capitals and … stand for parameters, and in
// an example anything may.
type route struct {
	method, path string
	example      bool
}

func (r route) String() string { return strings.TrimSpace(r.method + " " + r.path) }

var routeText = regexp.MustCompile(`^(?:(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|SEARCH) )?(/[^ ]*)$`)

// notOurs are paths in documents that are none of the gateway's, and parts of paths.
var notOurs = regexp.MustCompile(`^/(proc|run|usr|sluice|my-token|realtime-auth|login|assets|rest/c/ID/sub)\b|^/64$|^/(clone\?to=…|logout|presence|refresh|send)$|^/(auth|room|items|users|server|events|accounts)$`)

// routesOf are the routes that a text names in back-quotes.
func routesOf(text string) (all []route) {
	for _, word := range spans(text) {
		m := routeText.FindStringSubmatch(word)
		if m == nil || m[1] == "" && notOurs.MatchString(word) {
			continue
		}
		path, _, _ := strings.Cut(m[2], "?")
		all = append(all, route{m[1], path, m[1] != ""}) // as in POST /db/bank/rename
	}
	return all
}

var (
	address = regexp.MustCompile(`(http://127\.0\.0\.1:8080|\$B'?)(/[^\s<>"'?)\\|` + "`" + `]*)`)
	base    = regexp.MustCompile(`\bB=http://127\.0\.0\.1:8080(/\w+)?`)
)

// routes are those that the page names, and those of the addresses in its examples.
func (d document) routes() []route {
	all := routesOf(fence.ReplaceAllString(d.text, ""))
	prefix := ""
	if m := base.FindStringSubmatch(d.text); m != nil {
		prefix = m[1]
	}
	for _, m := range address.FindAllStringSubmatch(d.text, -1) {
		path := strings.TrimRight(m[2], ".,;")
		if m[1][0] == '$' {
			path = prefix + path
		}
		all = append(all, route{"", path, true})
	}
	return all
}

// is reports whether a route of a document is one of the code.
func (r route) is(of route) bool {
	if r.method != "" && of.method != "" && r.method != of.method {
		return false
	}
	want, have := strings.Split(strings.Trim(r.path, "/"), "/"), strings.Split(strings.Trim(of.path, "/"), "/")
	for i, part := range want {
		switch {
		case part == "…": // some parts of a path
			return true
		case i >= len(have):
			return false
		case have[i] == "*":
			return true
		case !isParameter(part) && strings.HasPrefix(have[i], ":"):
			if !r.example {
				return false
			}
		case strings.HasPrefix(have[i], ":"):
		case part != have[i]:
			return false
		}
	}
	return len(want) == len(have) || r.method == "" // a path alone may be the beginning of several
}

func isParameter(part string) bool { return part == strings.ToUpper(part) }
