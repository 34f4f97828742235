package gateway

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A made secret has 32 characters and 256 bits or more, as a configured one has; one that an earlier version made is kept.
func TestKeptSecret(t *testing.T) {
	t.Parallel()
	const bitsOfBase32 = 5
	dir := filepath.Join(t.TempDir(), "data")
	first, made, err := storedSecret(dir, tokenSecretFile)
	if err != nil || !made || len(first) < 32 || len(first)*bitsOfBase32 < 256 {
		t.Errorf("%q, made %v, %v", first, made, err)
	}
	again, made, err := storedSecret(dir, tokenSecretFile)
	if err != nil || made || again != first {
		t.Errorf("%q, made %v, %v, want %q", again, made, err, first)
	}
	other, _, err := storedSecret(inMemory, tokenSecretFile)
	if err != nil || len(other) != len(first) || other == first || other[:26] == other[26:] {
		t.Errorf("%q, %v", other, err)
	}
	old := strings.Repeat("OLD7", 7)[:26]
	if err := os.WriteFile(filepath.Join(dir, tokenSecretFile), []byte(old+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if kept, made, err := storedSecret(dir, tokenSecretFile); err != nil || made || kept != old {
		t.Errorf("%q, made %v, %v, want %q", kept, made, err, old)
	}
	if info, err := os.Stat(filepath.Join(dir, firstKeyFile)); err == nil {
		t.Errorf("%s is there", info.Name())
	}
}
