package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
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
		if strings.HasPrefix(block[1], "package main\n") {
			runsAlone(t, block[1])
			continue
		}
		if !strings.Contains(code, withoutIndents(block[1])) {
			t.Errorf("this is not in example_test.go:\n%s", block[1])
		}
	}
}

// runsAlone runs a whole program of the page against a gateway.
func runsAlone(t *testing.T, program string) {
	t.Helper()
	address, stop := startGateway()
	defer stop()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "run", file) // a file of this module, so that it finds the client
	cmd.Env = append(os.Environ(), "SLUICE_URL="+address, "SLUICE_KEY="+exampleKey)
	out, err := cmd.CombinedOutput()
	if err != nil || !regexp.MustCompile(`^\d+ 17\n$`).Match(out) {
		t.Errorf("the program: %v\n%s", err, out)
	}
}

// withoutIndents makes code in a function comparable with the same code outside of it.
func withoutIndents(code string) string {
	return regexp.MustCompile(`(?m)^[ \t]+`).ReplaceAllString(code, "")
}
