package handlers_test

import (
	"testing"

	"sluice/gateway/gatewaytest"
)

// Preflights name what each door takes, and the headers of answers that pages may read.
func TestPreflights(t *testing.T) {
	t.Parallel()
	const headers = "x-apikey, Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control"
	const exposed = "Retry-After, Idempotent-Replay, WWW-Authenticate, X-Request-Id"
	asks := map[string]string{"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
	var all []scenario
	for _, door := range []struct{ path, methods, headers, exposed string }{
		{"/realtime", "GET, HEAD, POST, DELETE", headers, exposed},
		{"/realtime/token", "GET, HEAD, POST, DELETE", headers, exposed},
		{"/sdk/sluice.js", "GET, HEAD, POST", headers, exposed},
		{"/openapi.json", "GET, HEAD", headers, exposed},
		{"/asyncapi.json", "GET, HEAD", headers, exposed},
		{"/rest/customer", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", headers, exposed + ", X-Pagination"},
		{"/new", "GET, POST", headers + ", Accept", exposed},
		{"/room/x/send", "GET, POST", headers + ", Accept", exposed},
		{"/db/demo/events", "GET, POST, PUT, DELETE", headers, exposed + ", Authorization"},
		{"/events", "GET, POST, PUT, DELETE", headers, exposed + ", Authorization"},
		{"/accounts", "GET, POST, PUT, DELETE", headers, exposed + ", Authorization"},
		{"/items/m", "GET, POST, PATCH, DELETE, SEARCH", headers, exposed},
		{"/auth/login", "POST", headers, exposed},
		{"/users/me", "GET, HEAD", headers, exposed},
		{"/server/ping", "GET, HEAD", headers, exposed},
	} {
		all = append(all, scenario{Name: door.path, Path: door.path, Method: "OPTIONS", Key: "-", Headers: asks, Status: 204, ResponseHeaders: map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": door.methods, "Access-Control-Allow-Headers": door.headers,
			"Access-Control-Expose-Headers": door.exposed, "Access-Control-Max-Age": "600",
		}})
	}
	for _, path := range []string{"/", "/ui/main.js", "/metrics", "/admin/keys", "/healthz"} {
		all = append(all, scenario{Name: path, Path: path, Method: "OPTIONS", Key: "-", Headers: asks, Status: 204, ResponseHeaders: map[string]string{"Access-Control-Allow-Origin": ""}})
	}
	newGateway(t).RunAll(t, all)
}

// An encoded body is refused in Directus' words at its door.
func TestItemsTakeNoEncoding(t *testing.T) {
	t.Parallel()
	newGateway(t, gatewaytest.WithItems).RunAll(t, []scenario{{
		Name: "gzip", Path: "/items/m", Key: gatewaytest.KeyItems, Body: `{"a":1}`, Headers: map[string]string{"Content-Encoding": "gzip"},
		Status: 415, Has: []string{`"code":"UNSUPPORTED_MEDIA_TYPE"`},
	}})
}
