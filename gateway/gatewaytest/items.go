package gatewaytest

import (
	"regexp"
	"strings"
	"testing"

	"sluice/auth/user"
	"sluice/store/documents"
)

// Keys of the tests of Directus' door.
const (
	KeyItems  = "key-items-0123456789"  // all of every collection
	KeyReader = "key-reader-0123456789" // reads messages and receives those that are created
	KeyWriter = "key-writer-0123456789" // writes messages, and reads nothing
)

// ItemKeys is the setting API_KEYS of the tests of Directus' door.
const ItemKeys = `[
	{"name":"all","key":"key-items-0123456789","rest":["*"],"sub":["*"],"pub":["*"]},
	{"name":"reader","key":"key-reader-0123456789","rest":["GET:messages"],"sub":["POST:messages"]},
	{"name":"writer","key":"key-writer-0123456789","rest":["POST:messages","PUT:messages","DELETE:messages"]},
	{"name":"slow","key":"key-slow-0123456789","rest":["*"],"rate":2},
	{"name":"page","key":"key-page-0123456789","rest":["*"],"sub":["*"],"origins":["https://a.example"]},
	{"name":"none","key":"key-none-0123456789"}
]`

// WithItems sets the keys of ItemKeys.
func WithItems(s *Setup) { s.APIKeys = ItemKeys }

var (
	madeIDs = regexp.MustCompile(`"[0-9a-f]{24}"`)
	times   = regexp.MustCompile(`"date_created":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)
)

// Normalize returns a text without the parts that differ from run to run.
func Normalize(text string) string {
	return times.ReplaceAllString(madeIDs.ReplaceAllString(strings.TrimSpace(text), `"ID"`), `"date_created":"AT"`)
}

// Refusal returns the body of an error answer.
func Refusal(code, message string) string {
	return `{"errors":[{"message":"` + message + `","extensions":{"code":"` + code + `"}}]}`
}

// AddUser makes a user who may do everything.
func (g *Gateway) AddUser(t *testing.T, email, password string) {
	t.Helper()
	all := []string{"*"}
	if _, err := g.Auth.Users().Add(t.Context(), email, user.Change{Password: &password, Rest: &all, Sub: &all}); err != nil {
		t.Fatal(err)
	}
}

// Fields parses the fields of a document.
func Fields(t testing.TB, text string) documents.Fields {
	t.Helper()
	f, _, err := documents.ParseFields([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// LargeFields returns the fields of a document of 60 KB.
func LargeFields(t *testing.T) documents.Fields {
	f, _, err := documents.ParseFields([]byte(`{"text":"` + strings.Repeat("x", 60_000) + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	return f
}
