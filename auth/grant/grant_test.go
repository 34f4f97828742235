package grant

import "testing"

func TestParseRest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{ // "": refused
		{"GET:customer", "GET:customer"},
		{"get:customer", "GET:customer"},
		{"PATCH:customer", "PUT:customer"},
		{"delete:c*", "DELETE:c*"},
		{"POST:*", "POST:*"},
		{"*:customer", "*:customer"},
		{"*:*", "*:*"},
		{"*", "*"},
		{"GET", ""}, // would be every collection
		{"GET*:customer", ""},
		{"SEARCH:customer", ""},
		{"chat-*", ""},
		{"PUT", ""},
		{":customer", ""},
		{"$db/demo", ""},
		{"$db/demo:get", ""},
	} {
		p, err := ParseRest(tt.text)
		if (err == nil) != (tt.want != "") || err == nil && p.String() != tt.want {
			t.Errorf("%q: %q, %v", tt.text, p, err)
		}
	}
}
