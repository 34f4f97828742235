package query

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"

	"sluice/store/syntax"
)

// ParseObject reads a JSON object that a client sent. An empty text counts as {}. A refusal calls the text what. The
// result is compact, so that its values compare with those of documents.
func ParseObject(what, text string) (gjson.Result, error) {
	if len(text) > MaxText {
		return gjson.Result{}, Refuse(TooLong, "%s has %d bytes: at most %d are allowed, ask in several queries", what, len(text), MaxText)
	}
	if strings.TrimSpace(text) == "" {
		text = "{}"
	}
	compact := jsontext.Value(text)
	if err := compact.Compact(jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false)); err != nil {
		return gjson.Result{}, Refuse(BadSyntax, "%s is not JSON: %s", what, syntax.ExplainJSON([]byte(text)))
	}
	v := gjson.ParseBytes(compact)
	if !v.IsObject() {
		return v, Refuse(BadSyntax, "%s is %s: it must be a JSON object", what, KindOf(v))
	}
	return v, nil
}

// KindOf names the kind of a value, for refusals.
func KindOf(v gjson.Result) string {
	switch {
	case v.IsArray():
		return "an array"
	case v.IsObject():
		return "an object"
	case v.Type == gjson.String:
		return "a string"
	case v.Type == gjson.Number:
		return "a number"
	}
	return v.Raw
}
