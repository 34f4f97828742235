package httperr_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every code is in the table of docs/protocol.md.
func TestCodesAreDocumented(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	_, section, _ := strings.Cut(read("../../docs/protocol.md"), "\n## Codes of errors\n")
	section, _, _ = strings.Cut(section, "\n## ")
	codes := regexp.MustCompile(`= +"([a-z_]+)"`).FindAllStringSubmatch(read("codes.go"), -1)
	codes = append(codes, regexp.MustCompile(`(?:unauthorized\(|http\.Status\w+, |= +)"([a-z_]+)"`).FindAllStringSubmatch(read("../../auth/errors.go"), -1)...)
	if len(codes) < 50 {
		t.Fatalf("only %d codes were found", len(codes))
	}
	for _, c := range codes {
		if !strings.Contains(section, "`"+c[1]+"`") {
			t.Errorf("docs/protocol.md does not have %s", c[1])
		}
	}
}
