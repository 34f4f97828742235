// Package openapi makes the JSON of docs/openapi.yaml and docs/asyncapi.yaml that the gateway serves. Its tests hold both
// documents against the answers, frames and messages of a whole gateway, with published validators.
//
// It is a module of its own, so that neither a library for YAML nor a validator is in the gateway's go.mod.
package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/pb33f/go-yaml"
)

// Names are the documents, without their endings.
var Names = []string{"openapi", "asyncapi"}

// The folders of the documents and of what is served, from this one.
const (
	Docs   = "../docs"
	Public = "../public"
)

// JSON returns a document of YAML as compact JSON, with the keys of objects in the order of the alphabet.
func JSON(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a document: %w", err)
	}
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return nil, fmt.Errorf("%s is not YAML: %w", path, err)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("%s has no form in JSON: %w", path, err)
	}
	return out.Bytes(), nil
}
