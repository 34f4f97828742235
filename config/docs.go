package config

import (
	"fmt"
	"strings"
)

// Markers of the table in README.md.
const (
	TableBegin = "<!-- settings:begin -->"
	TableEnd   = "<!-- settings:end -->"
)

// EnvExample is the text of .env.example.
func EnvExample() string {
	var b strings.Builder
	b.WriteString("# Every setting with its default. Copy to .env and take the # off what you change;\n# the environment wins over .env. A value that holds $, # or quotes goes in single quotes.\n# Made by go generate ./config.\n")
	for _, f := range fieldsOf(&Config{}) {
		fmt.Fprintf(&b, "\n# %s\n#%s=%s\n", f.described(), f.name, f.fallback)
	}
	return b.String()
}

// described is the doc of a setting, with the setting that names a file with its value, or what its default is for.
func (f *field) described() string {
	if f.scaled {
		return f.doc + " (the default is for 1 GiB of memory; less where there is less)"
	}
	if file := f.fileSetting(); file != "" {
		return f.doc + "; or " + file + " names a file that holds it"
	}
	return f.doc
}

// Table is the settings table of README.md, in Markdown.
func Table() string {
	var b strings.Builder
	b.WriteString("| setting | default | meaning |\n| --- | --- | --- |\n")
	for _, f := range fieldsOf(&Config{}) {
		fallback := ""
		if f.fallback != "" {
			fallback = "`" + f.fallback + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.name, fallback, strings.ReplaceAll(f.described(), "|", `\|`))
	}
	return b.String()
}

// WithTable is a README with the table between its markers made anew.
func WithTable(readme string) (string, error) {
	head, rest, ok := strings.Cut(readme, TableBegin)
	_, tail, ok2 := strings.Cut(rest, TableEnd)
	if !ok || !ok2 {
		return "", fmt.Errorf("README.md has no %s … %s", TableBegin, TableEnd)
	}
	return head + TableBegin + "\n" + Table() + TableEnd + tail, nil
}
