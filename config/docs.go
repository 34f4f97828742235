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
	b.WriteString("# Every setting with its default. Copy this file to .env, and remove the # before each setting that you change.\n# The environment wins over .env. Put a value that has $, # or quotes in it between single quotes.\n# Made by go generate ./config.\n")
	for _, f := range fieldsOf(&Config{}) {
		fmt.Fprintf(&b, "\n# %s\n#%s=%s\n", f.described(), f.name, f.fallback)
	}
	return b.String()
}

// described is the doc of a setting and what all settings of its kind have in common.
func (f *field) described() string {
	if f.scaled {
		return f.doc + " (with less than 1 GiB of memory, the default is lower)"
	}
	if file := f.fileSetting(); file != "" {
		return f.doc + "; or set " + file + " to the name of a file that contains the value"
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

// WithTable returns a README with a new table between its markers.
func WithTable(readme string) (string, error) {
	head, rest, ok := strings.Cut(readme, TableBegin)
	_, tail, ok2 := strings.Cut(rest, TableEnd)
	if !ok || !ok2 {
		return "", fmt.Errorf("README.md has no %s … %s", TableBegin, TableEnd)
	}
	return head + TableBegin + "\n" + Table() + TableEnd + tail, nil
}
