package restdb

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"sluice/handlers/httperr"
	"sluice/store/documents/query"
)

// maxFormFields is the most values of a form. The limit is needed because a value takes much more memory than its bytes.
const maxFormFields = 1000

// input is a value of a form: one text, a list of texts, or an object.
type input struct {
	texts []string
	list  bool
	names []string // of the object's fields, in order
	below map[string]*input
}

// readForm converts a form to the JSON of a document. Values are strings. A name that occurs twice, or as name[], is a list.
// name[city] is the field city of an object.
func readForm(text string) ([]byte, error) {
	form := &input{}
	pairs := strings.Split(text, "&")
	if len(pairs) > maxFormFields {
		return nil, badForm(fmt.Errorf("it has more than %d values: send JSON", maxFormFields))
	}
	for _, pair := range pairs {
		if pair == "" {
			continue
		}
		raw, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(raw)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		switch {
		case err != nil:
			return nil, badForm(errors.New("percent-encode everything but letters and digits"))
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			return nil, badForm(errors.New("it is not in UTF-8"))
		}
		if err := form.add(keys(name), value); err != nil {
			return nil, badForm(fmt.Errorf("field %.40q %w", name, err))
		}
	}
	return form.append(nil), nil
}

func badForm(why error) error {
	return httperr.New(http.StatusBadRequest, httperr.BadDocument, "the form cannot be read: %v", why)
}

// keys splits a name such as a[b][c] into a, b and c. The last key of a list is empty. A name of any other
// shape is one key.
func keys(name string) []string {
	base, inside, brackets := strings.Cut(name, "[")
	inside, closed := strings.CutSuffix(inside, "]")
	if !brackets || !closed || base == "" {
		return []string{name}
	}
	return append([]string{base}, strings.Split(inside, "][")...)
}

// add adds a value at the path that keys give.
func (in *input) add(keys []string, value string) error {
	if len(keys) > query.MaxDepth {
		return fmt.Errorf("nests more than %d objects", query.MaxDepth)
	}
	for i, key := range keys {
		if key == "" && i > 0 {
			if i < len(keys)-1 {
				return errors.New("has a list of objects: send JSON")
			}
			in.list = true
			break
		}
		if in.texts != nil {
			return errors.New("is a value and an object: send one of them")
		}
		if in.below == nil {
			in.below = map[string]*input{}
		}
		if in.below[key] == nil {
			in.names, in.below[key] = append(in.names, key), &input{}
		}
		in = in.below[key]
	}
	if in.below != nil {
		return errors.New("is a value and an object: send one of them")
	}
	in.texts = append(in.texts, value)
	return nil
}

// append appends the value as JSON.
func (in *input) append(dst []byte) []byte {
	if len(in.texts) == 1 && !in.list {
		return appendQuoted(dst, in.texts[0])
	}
	if in.texts != nil {
		dst = append(dst, '[')
		for i, text := range in.texts {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendQuoted(dst, text)
		}
		return append(dst, ']')
	}
	dst = append(dst, '{')
	for i, name := range in.names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = in.below[name].append(append(appendQuoted(dst, name), ':'))
	}
	return append(dst, '}')
}

// appendQuoted appends a text as a JSON string.
func appendQuoted(dst []byte, text string) []byte {
	dst, _ = jsontext.AppendQuote(dst, text) // it fails only on invalid UTF-8, which readForm has refused
	return dst
}
