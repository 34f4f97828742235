package openapi_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/content"

	"sluice/gateway/gatewaytest"
	"sluice/openapi"
)

func TestMain(m *testing.M) { gatewaytest.Main(m, 0) }

// served is the text of a document as the gateway serves it.
func served(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(openapi.Public, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestInterfaceDocuments: what the gateway serves is what docs has, and is valid.
func TestInterfaceDocuments(t *testing.T) {
	t.Parallel()
	for _, name := range openapi.Names {
		made, err := openapi.JSON(filepath.Join(openapi.Docs, name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(made, served(t, name)) {
			t.Errorf("public/%s.json is not docs/%s.yaml: run go generate ./public", name, name)
		}
	}
	if ok, faults := validated(t).ValidateDocument(); !ok {
		for _, f := range faults {
			t.Errorf("%s: %s", f.Message, f.Reason)
		}
	}
}

// otherMethods is where operations are whose methods OpenAPI 3.1 does not know.
const otherMethods = "x-additionalOperations"

// knownMethods returns the document with paths for these operations, so that the validator knows them: SEARCH /items/x is
// POST /SEARCH/items/x in it.
func knownMethods(t *testing.T, text []byte) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	paths := doc["paths"].(map[string]any)
	for path, item := range maps.Clone(paths) {
		others, _ := item.(map[string]any)[otherMethods].(map[string]any)
		for method, operation := range others {
			paths["/"+method+path] = map[string]any{"parameters": item.(map[string]any)["parameters"], "post": operation}
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// validated is a validator of requests and answers by the document. Bodies of text count, too.
func validated(t *testing.T) validator.Validator {
	t.Helper()
	doc, err := libopenapi.NewDocument(knownMethods(t, served(t, "openapi")))
	if err != nil {
		t.Fatal(err)
	}
	v, faults := validator.NewValidator(doc, config.WithFormatAssertions(), config.WithBodyDecoder("text/plain", content.TextDecoder()),
		config.WithBodyDecoder("application/x-ndjson", content.TextDecoder()), config.WithBodyDecoder("text/event-stream", content.TextDecoder()),
		config.WithURLEncodedBodyValidation())
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	t.Cleanup(v.Release)
	return v
}

// operation is one operation of the document.
type operation struct {
	id, method, template string
	statuses             []int
	body, contentType    string          // an example of a request's body; "" if it has none
	parameters           map[string]bool // names of those in the query, and in headers
	at                   *regexp.Regexp  // paths of the operation
}

var inBraces = regexp.MustCompile(`\\\{\w+\\\}`)

// operations are those of the document, by their ids.
func operations(t *testing.T) map[string]*operation {
	t.Helper()
	var doc struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct {
			RequestBodies map[string]requestBody
			Parameters    map[string]parameter
		}
	}
	if err := json.Unmarshal(served(t, "openapi"), &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]*operation{}
	for template, item := range doc.Paths {
		methods := map[string]json.RawMessage{}
		var common []parameter
		for field, text := range item {
			switch field {
			case "parameters":
				if err := json.Unmarshal(text, &common); err != nil {
					t.Fatal(err)
				}
			case otherMethods:
				if err := json.Unmarshal(text, &methods); err != nil {
					t.Fatal(err)
				}
			default:
				methods[strings.ToUpper(field)] = text
			}
		}
		for method, text := range methods {
			var o struct {
				OperationID string
				Responses   map[string]any
				Parameters  []parameter
				RequestBody *requestBody
			}
			if err := json.Unmarshal(text, &o); err != nil {
				t.Fatal(err)
			}
			one := &operation{id: o.OperationID, method: method, template: template}
			one.at = regexp.MustCompile("^" + inBraces.ReplaceAllString(regexp.QuoteMeta(template), `[^/]*`) + "$")
			for status := range o.Responses {
				n, err := strconv.Atoi(status)
				if err != nil {
					t.Fatal(err)
				}
				one.statuses = append(one.statuses, n)
			}
			one.parameters = map[string]bool{}
			for _, p := range append(slices.Clone(common), o.Parameters...) {
				if p.Ref != "" {
					p = doc.Components.Parameters[p.reference.name()]
				}
				if p.In != "path" {
					one.parameters[p.Name] = true
				}
			}
			if b := o.RequestBody; b != nil {
				if b.Ref != "" {
					*b = doc.Components.RequestBodies[b.reference.name()]
				}
				one.body, one.contentType = b.example(t, one.id)
			}
			if all[one.id] != nil {
				t.Fatalf("two operations are named %s", one.id)
			}
			all[one.id] = one
		}
	}
	return all
}

// parameter is the part of a parameter's description that has its name.
type parameter struct {
	reference
	Name, In string
}

// requestBody is the part of a body's description that has its examples.
type requestBody struct {
	reference
	Content map[string]struct {
		Schema struct {
			Required []string
		}
		Example  json.RawMessage
		Examples map[string]struct{ Value json.RawMessage }
	}
}

// example is an example of the body in JSON.
func (b *requestBody) example(t *testing.T, id string) (body, contentType string) {
	t.Helper()
	const kind = "application/json"
	c := b.Content[kind]
	if c.Example != nil {
		return string(c.Example), kind
	}
	names := make([]string, 0, len(c.Examples))
	for name := range c.Examples {
		names = append(names, name)
	}
	if slices.Sort(names); len(names) == 0 {
		t.Errorf("the body of %s has no example", id)
		return "{}", kind
	}
	return string(c.Examples[names[0]].Value), kind
}
