package restdb

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"sluice/handlers/httperr"
)

// readValues reads a query string. RestDB's clients do not encode the JSON of q and h, and browsers then encode only its
// quotes and blanks. So a ; does not separate parameters, and a lone % in such JSON stands for itself. JSON that begins with
// a bare brace is of this kind. All other values are encoded like a form: axios does not encode , : $ but does encode braces.
func readValues(raw string) (url.Values, error) {
	values := url.Values{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, text, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		switch {
		case err != nil:
		case (name == "q" || name == "h") && strings.HasPrefix(text, "{"):
			text = readJSON(text, name == "h")
		default:
			text, err = url.QueryUnescape(text)
		}
		if err != nil {
			return nil, httperr.New(http.StatusBadRequest, httperr.BadQuery, "the query cannot be read: percent-encode everything but letters and digits")
		}
		values.Add(name, text)
	}
	return values, nil
}

// readJSON decodes JSON that begins with a bare brace. A + in it can mean a plus or a blank. readJSON takes the meaning that
// gives valid JSON. If both do, it takes the blank if blanks is set, else the plus. blanks is set for h: its names of fields
// can have blanks, and seldom have a +.
func readJSON(text string, blanks bool) string {
	plus := unescapeJSON(text)
	if !strings.Contains(text, "+") {
		return plus
	}
	blank := unescapeJSON(strings.ReplaceAll(text, "+", " "))
	if gjson.Valid(blank) && (blanks || !gjson.Valid(plus)) {
		return blank
	}
	return plus
}

// unescapeJSON decodes as browsers do: a % before anything but two hex digits stays.
func unescapeJSON(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if one, err := url.PathUnescape(s[i : i+3]); err == nil {
				b.WriteString(one)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
