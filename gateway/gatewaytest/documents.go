package gatewaytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog/pebble"
)

// Keys of the tests of documents.
const (
	KeyDocs     = "key-docs-0123456789"
	KeyReads    = "key-reads-0123456789"
	KeyInserts  = "key-inserts-0123456789"
	KeyPuts     = "key-puts-0123456789"
	KeyDeletes  = "key-deletes-0123456789"
	KeyHome     = "key-home-0123456789"
	KeyDocsRate = "key-docs-rate-0123456789"
)

// DocumentKeys is the setting API_KEYS of the tests of documents.
var DocumentKeys = fmt.Sprintf(`[
	{"name":"docs","key":%q,"sub":["*"],"pub":["*"],"rest":["*:*"]},
	{"name":"none","key":%q,"sub":["*"],"pub":["*"]},
	{"name":"reads","key":%q,"rest":["GET:customer"]},
	{"name":"inserts","key":%q,"rest":["POST:*"]},
	{"name":"puts","key":%q,"rest":["PATCH:customer"]},
	{"name":"deletes","key":%q,"rest":["DELETE:cust*"]},
	{"name":"home","key":%q,"rest":["*:*"],"origins":["https://a.example"]},
	{"name":"rate","key":%q,"rest":["*:*"],"rate":2}
]`, KeyDocs, KeyNone, KeyReads, KeyInserts, KeyPuts, KeyDeletes, KeyHome, KeyDocsRate)

// CreatedTime is the time at which all documents of the tests are made.
const CreatedTime = "2026-11-20T13:22:01.130Z"

// OnPebble puts the log on a disk in memory.
func OnPebble(t testing.TB) func(*Setup) {
	return func(s *Setup) {
		engine, err := pebble.Open(pebble.Options{Dir: "data", FS: vfs.NewMem()})
		if err != nil {
			t.Fatal(err)
		}
		s.Engine = engine
	}
}

// RequestRest calls the door. It returns the status, a blank and the body of the answer, and the headers.
func (g *Gateway) RequestRest(t testing.TB, key, method, path, body string, headers ...string) (string, http.Header) {
	t.Helper()
	answer, text := g.send(t, method, "/rest/"+path, body, append([]string{"x-apikey", key}, headers...)...)
	if kind := answer.Header.Get("Content-Type"); method != http.MethodHead && kind != "application/json" && kind != "application/json; charset=UTF-8" || len(text) > 0 && !json.Valid([]byte(text)) {
		t.Errorf("%s %s: %s %q is no JSON", method, path, kind, text)
	}
	return fmt.Sprintf("%d %s", answer.StatusCode, strings.TrimSuffix(text, "\n")), answer.Header
}

// WithDocuments sets the keys of DocumentKeys, and makes all documents at CreatedTime.
func WithDocuments(s *Setup) {
	s.APIKeys = DocumentKeys
	s.Now = func() time.Time {
		at, err := time.Parse(time.RFC3339Nano, CreatedTime)
		if err != nil {
			panic(err)
		}
		return at
	}
}
