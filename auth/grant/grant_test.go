package grant

import (
	"fmt"
	"testing"

	"sluice/channel"
)

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

// A grant has at most MaxGrant patterns, in all its lists together.
func TestMaxGrant(t *testing.T) {
	t.Parallel()
	for n, valid := range map[int]bool{channel.MaxGrant - 1: true, channel.MaxGrant: true, channel.MaxGrant + 1: false} {
		l := Lists{Pub: []string{"last"}, Rest: []string{"GET:last"}}
		for i := range n - 2 {
			l.Sub = append(l.Sub, fmt.Sprint("n", i))
		}
		if s, err := l.Parse(); (err == nil) != valid || valid && s.Sub.Len() != n-2 {
			t.Errorf("%d patterns: %v", n, err)
		}
	}
}
