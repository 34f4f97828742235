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
	want, err := bundle(folder)
	if err != nil {
		t.Fatal(err)
	}
	is, err := os.ReadFile(made(folder))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(is, want) {
		t.Error("public/sdk/sluice.js is not made of public/sdk/src: run go generate ./public")
	}
}
