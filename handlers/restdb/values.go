package restdb

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"sluice/handlers/httperr"
)

// readValues reads a query string. RestDB's clients write the JSON of q and h as it is, and browsers encode of it
// only quotes and blanks: so a ; is no separator, and in such JSON a lone % is itself. Its brace tells it from what is
// encoded as a form's: axios leaves , : $ as they are there, and no brace.
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

// readJSON decodes JSON that begins with a bare brace. A + in it is itself or a blank: the one of the two that gives JSON,
// and of both a blank where blanks says so. Names of fields, which is what h holds, have blanks and seldom a +.
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
