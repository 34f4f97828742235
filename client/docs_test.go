package client_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// All code of docs/go.md is code of the examples, which are compiled and run, except what is for a shell.
func TestDocsAreExamples(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/go.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	code := withoutIndents(string(examples))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 6 {
		t.Fatalf("only %d blocks were found", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(code, withoutIndents(block[1])) {
			t.Errorf("this is not in example_test.go:\n%s", block[1])
		}
	}
}

// withoutIndents makes code in a function comparable with the same code outside of it.
func withoutIndents(code string) string {
	return regexp.MustCompile(`(?m)^[ \t]+`).ReplaceAllString(code, "")
}
