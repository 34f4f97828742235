package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice/auth/grant"
	"sluice/channel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	keyOne = "one-0123456789abcdef"
	keyTwo = "two-0123456789abcdef"
)

func newAuth(t testing.TB, o Options) *Authenticator {
	t.Helper()
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func TestCarriers(t *testing.T) {
	t.Parallel()
	keys := fmt.Sprintf(`[{"name":"one","key":%q,"sub":["a"],"rest":["GET:c","POST:*"],"expires":"2100-01-01T00:00:00Z"},
		{"name":"two","sha256":"%s","sub":["b"],"pub":["c"],"rest":["get:c","PATCH:c"],"expires":"2099-01-01T00:00:00Z"},
		{"name":"old","key":"old-0123456789abcdef","sub":["*"],"expires":"2020-01-01T00:00:00Z"}]`, keyOne, sum(keyTwo))
	a := newAuth(t, Options{APIKeys: keys, QueryCredentials: true})
	headers := func(kv ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(kv); i += 2 {
			h.Add(kv[i], kv[i+1])
		}
		return h
	}
	tests := []struct {
		name   string
		header http.Header
		query  string
		code   string // of the error, or
		sub    string
	}{
		{"none", nil, "", "missing_credential", ""},
		{"header", headers("x-apikey", keyOne), "", "", "a"},
		{"bearer", headers("Authorization", "bearer  "+keyOne), "", "", "a"},
		{"query", nil, "apikey=" + keyOne, "", "a"},
		{"its alias", nil, "rt-apikey=" + keyTwo, "", "b"},
		{"token in query", nil, "access_token=" + keyTwo, "", "b"},
		{"same twice", headers("x-apikey", keyOne, "x-apikey", keyOne), "apikey=" + keyOne, "", "a"},
		{"union", headers("x-apikey", keyOne), "token=" + keyTwo, "", "a,b"},
		{"two values in a carrier", headers("x-apikey", keyOne, "x-apikey", keyTwo), "", "ambiguous_credential", ""},
		{"two values under an alias", nil, "apikey=x&rt-apikey=y", "ambiguous_credential", ""},
		{"empty is absent", headers("x-apikey", ""), "apikey=", "missing_credential", ""},
		{"basic is not ours", headers("Authorization", "Basic eDp5"), "", "missing_credential", ""},
		{"basic beside a key", headers("Authorization", "Basic eDp5", "x-apikey", keyOne), "", "", "a"},
		{"unknown", headers("x-apikey", "x"), "", "invalid_key", ""},
		{"unknown beside a good one", headers("x-apikey", keyOne), "apikey=x", "invalid_key", ""},
		{"expired", headers("x-apikey", "old-0123456789abcdef"), "", "expired_key", ""},
		{"three dots", headers("x-apikey", "a.b.c.d"), "", "invalid_key", ""},
		{"two dots without tokens", headers("x-apikey", "a.b.c"), "", "invalid_token", ""},
	}
	for _, tt := range tests {
		q, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		id, bad := a.Authenticate(context.Background(), a.Carriers(&http.Request{Header: tt.header}, q, ""))
		switch {
		case tt.code == "" && bad != nil:
			t.Errorf("%s: %v", tt.name, bad)
		case tt.code == "" && id.Sub.String() != tt.sub:
			t.Errorf("%s: sub %s, want %s", tt.name, id.Sub, tt.sub)
		case tt.code != "" && (bad == nil || bad.Code != tt.code):
			t.Errorf("%s: %v, want %s", tt.name, bad, tt.code)
		}
	}
	id, bad := a.Authenticate(context.Background(), Carriers{Header: []string{keyOne}, QueryKey: []string{keyTwo}})
	if bad != nil || id.Expires.Year() != 2099 || id.Name != "one+two" && id.Name != "two+one" {
		t.Errorf("the union ends %v, %v %v", id.Expires, id.Name, bad)
	}
	if id != nil && id.Rest.String() != "GET:c,POST:*,PUT:c" {
		t.Errorf("the union may %s", id.Rest)
	}
	strict := newAuth(t, Options{APIKeys: keys})
	if _, bad := strict.Authenticate(context.Background(), Carriers{Header: []string{keyOne}, QueryKey: []string{keyOne}}); bad != nil {
		t.Logf("the same value in header and query: %v", bad)
	}
	if _, bad := strict.Authenticate(context.Background(), Carriers{QueryKey: []string{keyOne}}); bad == nil || bad.Status != 401 {
		t.Errorf("QUERY_CREDENTIALS=false: %v", bad)
	}
}

func TestKeyFaults(t *testing.T) {
	t.Parallel()
	const secret = "s3cret-s3cret-s3cret"
	many := `"` + strings.Repeat(`a","`, channel.MaxGrant) + `a"`
	for _, tt := range []struct{ keys, want string }{
		{`{`, "JSON"}, {`[] x`, "after it"}, {`[{"kye":"` + secret + `"}]`, "unknown field"},
		{`[{"name":"web"}]`, `"web"`}, {`[{"name":"web","key":"a b"}]`, "visible"},
		{`[{"name":"web","key":"` + strings.Repeat("x", 257) + `"}]`, "256"},
		{`[{"name":"web","key":"` + secret + `","sha256":"00"}]`, "both"},
		{`[{"name":"web","sha256":"00"}]`, "64"},
		{`[{"name":"web","key":"` + secret + `","sub":["put"]}]`, `"put"`},
		{`[{"name":"web","key":"` + secret + `","pub":[""]}]`, "pub"},
		{`[{"name":"web","key":"` + secret + `","sub":[` + many + `]}]`, "1000"},
		{`[{"name":"web","key":"` + secret + `","rest":["chat"]}]`, "rest"},
		{`[{"name":"web","key":"` + secret + `","rest":[` + strings.ReplaceAll(many, "a", "GET:a") + `]}]`, "1000"},
		{`[{"name":"web","key":"` + secret + `","sub":["b"],"pub":["b"],"rest":[` + strings.ReplaceAll(strings.Repeat(`"a",`, channel.MaxGrant-2)+`"a"`, "a", "GET:a") + `]}]`, "1000"},
		{`[{"name":"web","key":"` + secret + `","frames":"x"}]`, "frames"},
		{`[{"name":"web","key":"` + secret + `","rate":-1}]`, "rate"},
		{`[{"name":"web","key":"` + secret + `","origins":["https://a.example","https://a.example/path"]}]`, "number 2, that must be"},
		{`[{"name":"web","key":"` + secret + `","expires":"soon"}]`, "RFC 3339"},
		{`[{"name":"a","key":"` + secret + `"},{"name":"b","key":"` + secret + `"}]`, "same key"},
		{`[{"name":"a","key":""},{"name":"b","sub":["put"],"key":"` + secret + `"}]`, `"b"`},
	} {
		_, err := New(Options{APIKeys: tt.keys})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%.60s: %v", tt.keys, err)
		}
	}
}

// Unchanged keys stay, changed ones end with "changed", and removed ones with "revoked". A broken file changes nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := func(name, sub string) string { return fmt.Sprintf(`{"name":%q,"key":%q,"sub":[%q]}`, name, name, sub) }
	write("[" + key("same", "a") + "," + key("changed", "a") + "," + key("revoked", "a") + "]")
	a := newAuth(t, Options{APIKeysFile: file})
	ended := make(chan string, 10)
	for _, name := range []string{"same", "changed", "revoked"} {
		id, bad := a.Authenticate(context.Background(), Carriers{Header: []string{name}})
		if bad != nil {
			t.Fatal(bad)
		}
		stop := id.OnEnd(func(reason grant.End) { ended <- name + " " + string(reason) })
		defer stop()
	}
	stopped, bad := a.Authenticate(context.Background(), Carriers{Header: []string{"revoked"}})
	if bad != nil {
		t.Fatal(bad)
	}
	stopped.OnEnd(func(grant.End) { ended <- "called after stop" })()
	write("[")
	if err := a.Reload(); err == nil {
		t.Error("a broken file was taken")
	}
	write("[" + key("same", "a") + "," + key("changed", "b") + "]")
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{<-ended: true, <-ended: true}
	if !got["changed changed"] || !got["revoked revoked"] || len(ended) > 0 {
		t.Errorf("ended: %v and %d more", got, len(ended))
	}
	// The file is watched too.
	write("[]")
	if got := <-ended; got != "same revoked" {
		t.Errorf("ended: %s", got)
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, err := New(Options{APIKeys: fmt.Sprintf(`[{"name":"one","key":%q,"rate":10},{"name":"two","key":%q}]`, keyOne, keyTwo)})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		one, _ := a.Authenticate(context.Background(), Carriers{Header: []string{keyOne}})
		two, _ := a.Authenticate(context.Background(), Carriers{Header: []string{keyTwo}})
		take := func(id *Identity, n int, want bool) {
			t.Helper()
			if ok, wait := id.Take(time.Now(), n); ok != want || !ok && wait <= 0 {
				t.Errorf("taking %d: %v, wait %s", n, ok, wait)
			}
		}
		take(two, 1_000_000, true)
		take(one, 9, true)
		take(one, 25, true) // one is left; it is charged in full
		take(one, 1, false)
		time.Sleep(2400 * time.Millisecond)
		take(one, 1, false) // 24 less than nothing, and 24 came back
		time.Sleep(200 * time.Millisecond)
		take(one, 1, true)
		again, _ := a.Authenticate(context.Background(), Carriers{QueryToken: nil, Header: []string{keyOne}})
		take(again, 10, true) // one is left of the same bucket
		take(one, 1, false)
	})
}

func TestGlobal(t *testing.T) {
	t.Parallel()
	a := newAuth(t, Options{APIKeys: fmt.Sprintf(`[{"name":"one","key":%q}]`, keyOne), Global: true})
	id, bad := a.Authenticate(context.Background(), Carriers{Header: []string{keyOne}})
	if bad != nil || id.Sub.String() != "*" || id.Pub.String() != "*" || !id.Rest.Empty() {
		t.Errorf("%v %v", id, bad)
	}
}
