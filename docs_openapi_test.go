package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"sluice/handlers/audit"
	"sluice/public"
)

// openapi are the parts of what /openapi.json serves that the tests here need. The tests of openapi/ hold the rest of it.
type openapi struct {
	Paths map[string]map[string]json.RawMessage
}

// otherMethods is where operations are whose methods OpenAPI 3.1 does not know, as 3.2 has them.
const otherMethods = "x-additionalOperations"

// operations are the methods and paths that the document describes.
func (o openapi) operations(t *testing.T) set {
	t.Helper()
	all := set{}
	for path, item := range o.Paths {
		for field, text := range item {
			switch field {
			case "parameters", "summary", "description":
			case otherMethods:
				var more map[string]json.RawMessage
				if err := json.Unmarshal(text, &more); err != nil {
					t.Fatal(err)
				}
				for method := range more {
					all.add(method + " " + path)
				}
			default:
				all.add(strings.ToUpper(field) + " " + path)
			}
		}
	}
	return all
}

// pathParameter is a parameter of a route of echo.
var pathParameter = regexp.MustCompile(`:(\w+)`)

// TestOpenAPIRoutes: docs/openapi.yaml describes each route of the gateway, and no others.
func TestOpenAPIRoutes(t *testing.T) {
	t.Parallel()
	text, err := public.Files.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc openapi
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	described, routes := doc.operations(t), set{}
	for _, r := range readRoutes(t) {
		if r.method != "" { // else it is one of METRICS_ADDR
			path := strings.Replace(pathParameter.ReplaceAllString(r.path, "{$1}"), "*", "{file}", 1)
			routes.add(r.method + " " + path)
		}
	}
	for r := range routes {
		path, isHead := strings.CutPrefix(r, "HEAD ")
		if !described[r] && (!isHead || !routes["GET "+path]) { // HEAD is there with each GET, as the document says at its top
			t.Errorf("docs/openapi.yaml does not describe %s. Add it below paths, with its parameters and answers; run go generate ./public; "+
				"and give it requests in openapi/, whose tests then say what is missing", r)
		}
	}
	for d := range described {
		if !routes[d] {
			t.Errorf("docs/openapi.yaml describes %s, which is no route of the gateway: take it out, and run go generate ./public", d)
		}
	}
	if len(described) < 80 {
		t.Errorf("only %d operations were found", len(described))
	}
}

// enums collects the words that a document allows for fields of a name.
func enums(v any, field string, all set) {
	switch v := v.(type) {
	case map[string]any:
		if of, ok := v[field].(map[string]any); ok {
			if list, ok := of["enum"].([]any); ok {
				for _, word := range list {
					all.add(word.(string))
				}
			}
		}
		for _, e := range v {
			enums(e, field, all)
		}
	case []any:
		for _, e := range v {
			enums(e, field, all)
		}
	}
}

// TestOpenAPICodes: the two documents have the codes of the gateway and of Directus' door, and no others.
func TestOpenAPICodes(t *testing.T) {
	t.Parallel()
	described := set{}
	for _, name := range []string{"openapi.json", "asyncapi.json"} {
		text, err := public.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		enums(v, "code", described)
	}
	code := readCode(t)
	exist := set{}
	for c := range code.codes {
		exist.add(c)
	}
	for c := range code.directusCodes {
		exist.add(c)
	}
	delete(exist, "invalid_login") // this and the next one are in metrics and the audit trail only
	delete(exist, "too_many_sign_ins")
	delete(exist, "ROUTE_NOT_FOUND") // the answer where there is no operation; the document says so at its top
	same(t, "codes of docs/openapi.yaml and docs/asyncapi.yaml", exist, described)
}

// TestAsyncAPIActions: docs/asyncapi.yaml has the actions of the audit trail, and no others.
func TestAsyncAPIActions(t *testing.T) {
	t.Parallel()
	text, err := public.Files.ReadFile("asyncapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components struct {
			Schemas struct{ Action struct{ Enum []string } }
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	described, exist := set{}, set{}
	described.addAll(doc.Components.Schemas.Action.Enum...)
	exist.add(string(audit.CredentialRefuse)) // which is no route's
	for _, r := range readRoutes(t) {
		if action := audit.Of(r.method, r.path); action != "" {
			exist.add(string(action))
		}
	}
	same(t, "actions of docs/asyncapi.yaml", exist, described)
}
