package restdb

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"sluice/handlers/httperr"
)

// TestForms: what browsers, jQuery and curl send as a form, and the document that it is.
func TestForms(t *testing.T) {
	t.Parallel()
	const refused = "the form cannot be read: "
	for _, c := range []struct{ form, want string }{
		{`name=Ann+Lee&age=30`, `{"name":"Ann Lee","age":"30"}`},
		{`name=%C3%85se&q="<&+%26`, `{"name":"Åse","q":"\"<"," &":""}`},
		{`a=1&b=&c`, `{"a":"1","b":"","c":""}`},
		{`&&a=1&`, `{"a":"1"}`},
		{`a=1&b=2&a=3`, `{"a":["1","3"],"b":"2"}`},
		{`a[]=1`, `{"a":["1"]}`},
		{`a%5B%5D=1&a[]=2&a=3`, `{"a":["1","2","3"]}`},
		{`at[city]=Oslo&at[zip]=1&x=2&at[tags][]=a`, `{"at":{"city":"Oslo","zip":"1","tags":["a"]},"x":"2"}`},
		{`a[b=1&[c]=2&a[b]c=3&d]=4`, `{"a[b":"1","[c]":"2","a[b]c":"3","d]":"4"}`},
		{`$inc[n]=1`, `{"$inc":{"n":"1"}}`},
		{`a.b=1`, `{"a.b":"1"}`},
		{`a=1&a[b]=2`, refused + `field "a[b]" is a value and an object: send one of them`},
		{`a[b]=2&a=1`, refused + `field "a" is a value and an object: send one of them`},
		{`a[][b]=2`, refused + `field "a[][b]" has a list of objects: send JSON`},
		{`a=%zz`, refused + `percent-encode everything but letters and digits`},
		{`a=%ff`, refused + `it is not in UTF-8`},
		{`a` + strings.Repeat("[b]", 10) + `=1`, refused + `field "a` + strings.Repeat("[b]", 10) + `" nests more than 10 objects`},
		{strings.Repeat("a=1&", 1000) + "a=1", refused + `it has more than 1000 values: send JSON`},
	} {
		text, err := readForm(c.form)
		got := string(text)
		var bad *httperr.Error
		if errors.As(err, &bad) {
			got = bad.Message
		}
		if got != c.want {
			t.Errorf("%.60s\n got %.200s\nwant %s", c.form, got, c.want)
		}
	}
}

// FuzzForms: whatever is sent is refused or valid JSON without a field twice.
func FuzzForms(f *testing.F) {
	for _, form := range []string{`a=1&b[c][]=2&b[d]=%41`, `[]=1&a[=&]=x`, `a[]b]=1&=`} {
		f.Add(form)
	}
	f.Fuzz(func(t *testing.T, form string) {
		text, err := readForm(form)
		if err == nil && (text[0] != '{' || !jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(false))) {
			t.Fatalf("%q: %s", form, text)
		}
	})
}
