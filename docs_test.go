package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Documents and code name the same things. What a document names exists in the code, and what exists in the code is named
// by a document. docs_pages_test.go reads the documents, docs_code_test.go the code; there is no list of names beside them.

const protocol = "docs/protocol.md"

// TestDocumentedCodes: the tables of docs/protocol.md are the codes that the doors answer with.
func TestDocumentedCodes(t *testing.T) {
	t.Parallel()
	section := readPage(t, protocol).section(t, "Codes of errors")
	code := readCode(t)
	gateway, rest, _ := strings.Cut(section, "**Directus' door**")
	directus, persistr, _ := strings.Cut(rest, "**Persistr's door**")
	for _, door := range []struct {
		name, text string
		shape      *regexp.Regexp
		exist      set
	}{
		{"the gateway", gateway, snakeCase, code.codes},
		{"Directus' door", directus, upperCase, code.directusCodes},
		{"Persistr's door", persistr, camelCase, code.persistrNames},
	} {
		if len(door.exist) < 15 {
			t.Fatalf("only %d codes of %s were found: docs_code_test.go must read them where they are declared now", len(door.exist), door.name)
		}
		documented := set{}
		for _, row := range rows(door.text) {
			for _, word := range spans(row[1]) {
				documented.add(word)
				if door.shape.MatchString(word) && !door.exist[word] {
					t.Errorf("%s: %s has no code %s", protocol, door.name, word)
				}
			}
		}
		documented.addAll(spans(door.text)...)
		for c := range door.exist {
			if !documented[c] {
				t.Errorf("%s: the code %s of %s is in no table", protocol, c, door.name)
			}
		}
	}
}

// status is a status with a code behind it, as in 409 `id_taken`.
var status = regexp.MustCompile("\\b[45][0-9][0-9] `([a-z_]+)`")

// TestWordsOfDocuments: codes, metrics, settings and other words in code's spelling are words of the code.
func TestWordsOfDocuments(t *testing.T) {
	t.Parallel()
	code := readCode(t)
	for _, p := range pages(t) {
		if p.isHistory() {
			continue
		}
		for _, m := range status.FindAllStringSubmatch(p.text, -1) {
			if !code.codes[m[1]] {
				t.Errorf("%s: there is no code %s", p.path, m[1])
			}
		}
		for _, word := range metricName.FindAllString(p.text, -1) {
			if !code.metrics[word] {
				t.Errorf("%s: there is no metric %s", p.path, word)
			}
		}
		for _, m := range assignment.FindAllStringSubmatch(p.text, -1) {
			if !code.settings[m[1]] && !code.words[m[1]] && elsewhere[m[1]] == "" {
				t.Errorf("%s: there is no setting %s", p.path, m[1])
			}
		}
		for _, word := range p.spans() {
			compound := strings.Contains(word, "_")
			switch {
			case !compound || elsewhere[word] != "" || metricName.MatchString(word):
			case upperCase.MatchString(word) && !code.settings[word] && !code.words[word]:
				t.Errorf("%s: %s is neither a setting nor any other word of the code", p.path, word)
			case snakeCase.MatchString(word) && !code.words[word]:
				t.Errorf("%s: %s is no word of the code", p.path, word)
			}
		}
	}
}

// elsewhere are words that documents name although the code does not, with the reason.
var elsewhere = map[string]string{
	"ALLOWED_HOSTS":       "a setting of Django's",
	"API_KEY":             "an example of a wrong name",
	"NAME_FILE":           "stands for any secret's name",
	"OPENAI_API_KEY":      "a setting of examples/llm, as OpenAI's clients call it",
	"OPENAI_BASE_URL":     "a setting of examples/llm, as OpenAI's clients call it",
	"SECURE_SSL_REDIRECT": "a setting of Django's",
	"read_and_close":      "an option of PHP's sessions",
	"request_id":          "a field of the log",
	"system_log":          "a collection of RestDB's that is not here",
	"user_created":        "a field of Directus' that is not here",
	"user_logged_out":     "a signal of Django's",
}

// TestMetricsAreDocumented: docs/operations.md explains each metric.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	table := set{}
	for _, row := range rows(readPage(t, "docs/operations.md").section(t, "Metrics")) {
		table.addAll(metricName.FindAllString(row[0], -1)...)
	}
	metrics := readCode(t).metrics
	if len(metrics) < 15 {
		t.Fatalf("only %d metrics were found in the code", len(metrics))
	}
	for m := range metrics {
		if !table[m] {
			t.Errorf("docs/operations.md does not explain %s", m)
		}
	}
}

// TestDoorNamesAreDocumented: the two pages that list the values of door list the names that doors have.
func TestDoorNamesAreDocumented(t *testing.T) {
	t.Parallel()
	names := readCode(t).doors
	if folders := doors(); len(names) != len(folders)+2 { // and DoorMetrics, DoorOther
		t.Errorf("the doors %v have the names %v: each door needs a constant doorName, unlike the others", folders, names)
	}
	for path, before := range map[string]string{"docs/operations.md": "`door` is one of ", "docs/admin.md": "the door that received the request: "} {
		_, list, found := strings.Cut(readPage(t, path).text, before)
		if !found {
			t.Fatalf("%s has no %q", path, before)
		}
		list = list[:strings.IndexAny(list, ".\n")]
		documented := set{}
		documented.addAll(spans(list)...)
		for name := range names {
			if !documented[name] {
				t.Errorf("%s: the door %s is not in the list", path, name)
			}
		}
		for name := range documented {
			if !names[name] {
				t.Errorf("%s: there is no door %s", path, name)
			}
		}
	}
}

// TestSettingsAreDocumented: docs/settings.md has each setting, and some other page says what it is good for.
func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	table := set{}
	for _, row := range rows(readPage(t, "docs/settings.md").text) {
		table.addAll(spans(row[0])...)
	}
	var prose strings.Builder
	for _, p := range pages(t) {
		if p.path != "docs/settings.md" && !p.isHistory() {
			prose.WriteString(p.text)
		}
	}
	settings := readCode(t).settings
	for name := range settings {
		base := strings.TrimSuffix(name, "_FILE")
		if base != name && settings[base] {
			continue // that a secret can come from a file is said once for all
		}
		if !table[name] {
			t.Errorf("docs/settings.md: the setting %s is in no table", name)
		}
		if !regexp.MustCompile(`\b` + name + `\b`).MatchString(prose.String()) {
			t.Errorf("no other page speaks of the setting %s", name)
		}
	}
	for name := range table {
		if upperCase.MatchString(name) && !settings[name] {
			t.Errorf("docs/settings.md: there is no setting %s", name)
		}
	}
}

// TestDocumentedRoutes: routes that documents name are there, and each route is in the table of docs/protocol.md.
func TestDocumentedRoutes(t *testing.T) {
	t.Parallel()
	routes := readRoutes(t)
	for _, p := range pages(t) {
		if p.isHistory() {
			continue
		}
		for _, one := range p.routes() {
			if !slices.ContainsFunc(routes, one.is) {
				t.Errorf("%s: there is no route %s", p.path, one)
			}
		}
	}
	var documented []route
	for _, row := range rows(readPage(t, protocol).section(t, "Routes")) {
		documented = append(documented, routesOf(row[0])...)
	}
	for _, r := range routes {
		if r.method == "HEAD" || r.method == "" { // as GET; and those of METRICS_ADDR
			continue
		}
		if !slices.ContainsFunc(documented, func(d route) bool { return d.is(r) }) {
			t.Errorf("%s: the route %s is not in the table", protocol, r)
		}
	}
}

// TestFilesOfDocuments: links lead somewhere, and files, folders, tests and targets of make that documents name are there.
func TestFilesOfDocuments(t *testing.T) {
	t.Parallel()
	code := readCode(t)
	for _, p := range pages(t) {
		for _, link := range p.links() {
			if bad := p.follow(t, link); bad != "" {
				t.Errorf("%s: the link %s: %s", p.path, link, bad)
			}
		}
		if p.isHistory() {
			continue
		}
		for _, word := range p.spans() {
			if !isFile(word) || slices.Contains(planned, word) {
				continue
			}
			if found, err := filepath.Glob(word); err != nil || len(found) == 0 && !code.files[word] {
				t.Errorf("%s: there is no file %s", p.path, word)
			}
		}
		for _, m := range testName.FindAllStringSubmatch(p.text, -1) {
			if !code.tests[m[1]] {
				t.Errorf("%s: there is no test %s", p.path, m[1])
			}
			if part := strings.ReplaceAll(m[2], "_", " "); part != "" && !code.parts[part] {
				t.Errorf("%s: %s has no part %q", p.path, m[1], part)
			}
		}
		for _, m := range makeTarget.FindAllStringSubmatch(p.text, -1) {
			if !code.targets[m[1]] {
				t.Errorf("%s: there is no make %s", p.path, m[1])
			}
		}
	}
}

// planned are paths that documents name ahead of the code. What exists must not be here.
var planned = []string{}

func TestPlannedIsAhead(t *testing.T) {
	t.Parallel()
	for _, path := range planned {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s exists: take it off the list", path)
		}
	}
}
