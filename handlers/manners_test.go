package handlers_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

const form = "application/x-www-form-urlencoded"

const keyEverything = `[{"name":"every","key":"` + gatewaytest.KeyAll + `","sub":["*"],"pub":["*"],"rest":["*:*"]}]`

func everything(s *setup) { s.APIKeys = keyEverything }

// Every JSON answer ends with a line end, at every door, errors too, and has a Content-Length.
func TestJSONAnswersEndWithALine(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDemo, everything)
	room := g.NewRoom(t)
	demo, admin, key := gatewaytest.Basic("demo", "demo"), "", gatewaytest.KeyAll
	for _, tt := range []struct {
		method, path, body string
		header, value      string
		status             int
	}{
		{"POST", "/realtime", `{"event":"a"}`, "x-apikey", key, 200},
		{"POST", "/realtime", `[{"event":"a"},{"event":"a"}]`, "x-apikey", key, 200},
		{"POST", "/realtime", `{`, "x-apikey", key, 400},
		{"POST", "/realtime", `{}`, "x-apikey", "wrong", 401},
		{"POST", "/realtime/token", `{"sub":["a"]}`, "x-apikey", key, 200},
		{"GET", "/nowhere", ``, "x-apikey", key, 404},
		{"DELETE", "/realtime", ``, "x-apikey", key, 400},
		{"PUT", "/realtime", ``, "x-apikey", key, 405},

		{"PUT", "/events/1", `{"data":{},"meta":{"db":"demo","stream":"s","type":"t"}}`, "Authorization", demo, 201},
		{"POST", "/events", `{"data":{},"meta":{"db":"demo","stream":"s","type":"t"}}`, "Authorization", demo, 201},
		{"POST", "/events", `{`, "Authorization", demo, 400},
		{"GET", "/db/demo/ns//streams/s/events/1", ``, "Authorization", demo, 200},
		{"GET", "/db/demo/events", ``, "Authorization", demo, 200},
		{"GET", "/db/demo/events?schema=jsonapi", ``, "Authorization", demo, 200},
		{"GET", "/db/demo/streams", ``, "Authorization", demo, 200},
		{"GET", "/db/demo/ns", ``, "Authorization", demo, 200},
		{"GET", "/db", ``, "Authorization", demo, 200},
		{"GET", "/accounts/current", ``, "Authorization", demo, 200},
		{"PUT", "/db/demo/ns//streams/s/annotation", `{"a":1}`, "Authorization", demo, 204},
		{"GET", "/db/demo/ns//streams/s/annotation", ``, "Authorization", demo, 200},
		{"GET", "/db/other/streams", ``, "Authorization", demo, 403},

		{"POST", "/new", ``, "", "", 200},
		{"GET", "/room/" + room, ``, "", "", 200},
		{"POST", "/room/" + room + "/send", `{"type":"push","action":{"type":"append"},"key":"k","value":1}`, "", "", 200},
		{"POST", "/room/" + room + "/send", `{"type":"get","key":"k","seq":0}`, "", "", 200},
		{"POST", "/room/" + room + "/send", `{"type":"ping","nonce":1}`, "", "", 200},
		{"POST", "/room/" + room + "/send", `{`, "", "", 422},

		{"POST", "/rest/c", `{"a":1}`, "x-apikey", key, 201},
		{"POST", "/rest/c", `[{"a":1},{"a":2}]`, "x-apikey", key, 201},
		{"GET", "/rest/c", ``, "x-apikey", key, 200},
		{"GET", "/rest/c/none", ``, "x-apikey", key, 404},
		{"POST", "/rest/c", `{`, "x-apikey", key, 400},

		{"POST", "/items/c", `{"a":1}`, "x-apikey", key, 200},
		{"GET", "/items/c", ``, "x-apikey", key, 200},
		{"GET", "/items/c/none", ``, "x-apikey", key, 403},
		{"POST", "/auth/login", `{"email":"a@example.org","password":"wrong-wrong"}`, "", "", 401},

		{"GET", "/admin/keys", ``, "x-apikey", admin, 401},
		{"GET", "/admin/keys", ``, "x-apikey", gatewaytest.AdminKey, 200},
		{"GET", "/admin/stats", ``, "x-apikey", gatewaytest.AdminKey, 200},
		{"GET", "/admin/users", ``, "x-apikey", gatewaytest.AdminKey, 200},
		{"GET", "/admin/connections", ``, "x-apikey", gatewaytest.AdminKey, 200},
		{"POST", "/admin/keys", `{"name":"x"}`, "x-apikey", gatewaytest.AdminKey, 201},
	} {
		for _, method := range []string{tt.method, http.MethodHead} {
			if method == http.MethodHead && tt.method != http.MethodGet {
				continue
			}
			r, err := http.NewRequest(method, g.URL+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", "application/json")
			if tt.header != "" {
				r.Header.Set(tt.header, tt.value)
			}
			answer, err := g.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || method == http.MethodHead {
				if err != nil || len(text) > 0 {
					t.Errorf("%s %s: %v, %q", method, tt.path, err, text)
				}
				continue
			}
			if answer.StatusCode != tt.status {
				t.Errorf("%s %s: status %d, want %d: %s", method, tt.path, answer.StatusCode, tt.status, text)
			}
			json := strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json")
			if tt.status != http.StatusNoContent && (!json || !strings.HasSuffix(string(text), "\n") || strings.HasSuffix(string(text), "\n\n")) {
				t.Errorf("%s %s %s: %q of type %s", method, tt.path, tt.body, text, answer.Header.Get("Content-Type"))
			}
			if answer.ContentLength >= 0 && answer.ContentLength != int64(len(text)) {
				t.Errorf("%s %s: %d bytes, Content-Length %d", method, tt.path, len(text), answer.ContentLength)
			}
		}
	}
}

// What curl sends with -d alone is taken where it is JSON, at every door that takes JSON, and not from pages.
func TestCurlsOwnContentType(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDemo, everything)
	room := g.NewRoom(t)
	demo := gatewaytest.Basic("demo", "demo")
	for _, tt := range []struct {
		path, good    string
		header, value string
		status        int
		fields        int // what a form of fields gets
		other         int // what another body gets
	}{
		{"/realtime", `{"event":"x"}`, "x-apikey", gatewaytest.KeyAll, 200, 415, 415},
		{"/realtime", ` [{"event":"x"},{"event":"y","data":{"a":1,"a":2}}] `, "x-apikey", gatewaytest.KeyAll, 200, 415, 415},
		{"/realtime/token", `{"sub":["a"]}`, "x-apikey", gatewaytest.KeyAll, 200, 415, 415},
		{"/realtime/subscriptions", `{"channels":["a"]}`, "x-apikey", gatewaytest.KeyAll, 201, 415, 415},
		{"/rest/c", `{"a":1}`, "x-apikey", gatewaytest.KeyAll, 201, 201, 415},
		{"/items/c", `{"a":1}`, "x-apikey", gatewaytest.KeyAll, 200, 400, 400},
		{"/events", `{"data":{},"meta":{"db":"demo","stream":"s","type":"t"}}`, "Authorization", demo, 201, 400, 400},
		{"/room/" + room + "/send", `{"type":"push","action":{"type":"append"},"key":"k","value":1}`, "", "", 200, 422, 422},
		{"/admin/keys", `{"name":"x"}`, "x-apikey", gatewaytest.AdminKey, 201, 400, 400},
	} {
		for _, c := range []struct {
			body, kind, origin string
			status             int
		}{
			{tt.good, form, "", tt.status},
			{tt.good, form + "; charset=UTF-8", "", tt.status},
			{"event=x&data=1", form, "", tt.fields},
			{tt.good + "{}", form, "", tt.other},
		} {
			r, err := http.NewRequest(http.MethodPost, g.URL+tt.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", c.kind)
			if tt.header != "" {
				r.Header.Set(tt.header, tt.value)
			}
			answer, err := g.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode != c.status {
				t.Errorf("%s as %s: %d, want %d: %s%s", tt.path, c.kind, answer.StatusCode, c.status, c.body, text)
			}
		}
	}
	g.RunAll(t, []scenario{
		{Name: "a fault of JSON is named", Headers: map[string]string{"Content-Type": form}, Body: `{"event":"ping"}`, Status: 400, Has: []string{"reserved"}},
		{Name: "from a page", Headers: map[string]string{"Content-Type": form, "Origin": "https://a.example"}, Body: `{"event":"x"}`, Status: 415},
		{Name: "what is no JSON there", Headers: map[string]string{"Content-Type": form}, Body: `{"event":x}`, Status: 415, Has: []string{"byte 10 is 'x', where a value was expected"}},
		{Name: "what is no JSON of a token", Path: "/realtime/token", Headers: map[string]string{"Content-Type": form}, Body: `{"sub":`, Status: 415, Has: []string{"it ends at byte 7, where a value was expected"}},
		{Name: "what is no document", Path: "/rest/c", Headers: map[string]string{"Content-Type": form}, Body: `{"sub":`, Status: 415, Has: []string{"it ends at byte 7, where a value was expected"}},
		{Name: "a token that is no JSON", Path: "/realtime/token", Body: `{`, Status: 400, Has: []string{"bad_json", "it ends at byte 1"}},
		{Name: "in another charset", Headers: map[string]string{"Content-Type": form + "; charset=latin1"}, Body: `{"event":"x"}`, Status: 415},
		{Name: "encoded", Headers: map[string]string{"Content-Type": form, "Content-Encoding": "gzip"}, Body: `{"event":"x"}`, Status: 415},
		{Name: "text is no form", Headers: map[string]string{"Content-Type": "text/plain"}, Body: `{"event":"x"}`, Status: 415},
		{Name: "the type of files", Headers: map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, Body: `{"event":"x"}`, Status: 415},
	})
}
