package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The SDK that is served is made of the source that is here.
func TestSDKIsMade(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("..", "sdk")
	for _, m := range modules {
		want, err := m.bundle(folder)
		if err != nil {
			t.Fatal(err)
		}
		is, err := os.ReadFile(filepath.Join(folder, m.name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(is, want) {
			t.Errorf("public/sdk/%s is not made of public/sdk/src: run go generate ./public", m.name)
		}
	}
}
