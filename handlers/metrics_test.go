package handlers_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/gateway/gatewaytest"
	"sluice/handlers"
)

// /metrics on ADDR answers to who comes directly, and to the administrator whichever way.
func TestMetricsAreForThisMachine(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	const refused = `"code":"forbidden"`
	for _, one := range []struct {
		name, request string
		status        string
	}{
		{"direct", "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "200"},
		{"IPv6", "GET /metrics HTTP/1.1\r\nHost: [::1]:8080\r\nConnection: close\r\n\r\n", "200"},
		{"HEAD", "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "200"},
		{"DNS rebinding", "GET /metrics HTTP/1.1\r\nHost: evil.example:8080\r\nOrigin: http://evil.example:8080\r\nConnection: close\r\n\r\n", "403"},
		{"by an absolute target", "GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "403"},
		{"nginx by default", "GET /metrics HTTP/1.0\r\nHost: 127.0.0.1:8080\r\nConnection: close\r\n\r\n", "403"},
		{"without a Host", "GET /metrics HTTP/1.0\r\n\r\n", "403"},
		{"a proxy", "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: a.example\r\nConnection: close\r\n\r\n", "403"},
		{"a proxy, HEAD", "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nVia: 1.1 a\r\nConnection: close\r\n\r\n", "403"},
		{"the administrator by a proxy", "GET /metrics HTTP/1.1\r\nHost: a.example\r\nVia: 1.1 a\r\nX-Apikey: " + gatewaytest.AdminKey + "\r\nConnection: close\r\n\r\n", "200"},
		{"another key by a proxy", "GET /metrics HTTP/1.1\r\nHost: a.example\r\nVia: 1.1 a\r\nX-Apikey: " + gatewaytest.KeyAll + "\r\nConnection: close\r\n\r\n", "403"},
	} {
		got := g.Raw(t, one.request, 5e9)
		if !strings.HasPrefix(got[min(len(got), 9):], one.status) {
			t.Errorf("%s: %.200s", one.name, got)
		}
		if one.status == "403" && strings.Contains(got, "sluice_") || one.status == "403" && one.request[0] == 'G' && !strings.Contains(got, refused) {
			t.Errorf("%s: %.200s", one.name, got)
		}
	}
	g.RunAll(t, []scenario{
		{Name: "healthz", Method: "HEAD", Path: "/healthz", Key: "-", Status: 200},
		{Name: "readyz", Method: "HEAD", Path: "/readyz", Key: "-", Status: 200},
	})
}

// METRICS_ADDR is open to all who reach it, but on loopback a page of another site does not.
func TestMetricsServer(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		onLoopback bool
		host, path string
		header     string
		status     int
	}{
		{true, "127.0.0.1:9090", "/metrics", "", 200},
		{true, "localhost:9090", "/debug/pprof/", "Via", 200}, // a proxy there is the operator's doing
		{true, "evil.example:9090", "/metrics", "", 403},
		{true, "evil.example:9090", "/debug/pprof/cmdline", "", 403},
		{true, "evil.example:9090", "/nothing", "", 403},
		{false, "sluice:9090", "/metrics", "", 200},
		{false, "sluice:9090", "/debug/pprof/", "", 200},
	} {
		r := httptest.NewRequest(http.MethodGet, one.path, nil)
		if r.Host = one.host; one.header != "" {
			r.Header.Set(one.header, "1.1 a")
		}
		w := httptest.NewRecorder()
		handlers.MetricsServer(prometheus.NewRegistry(), one.onLoopback).ServeHTTP(w, r)
		if text, _ := io.ReadAll(w.Body); w.Code != one.status {
			t.Errorf("%+v: %d %s", one, w.Code, text)
		}
	}
}

// A page does not reveal its address to other sites, and no answer names the server's software.
func TestPagesTellNothing(t *testing.T) {
	t.Parallel()
	silent := map[string]string{"Referrer-Policy": "no-referrer", "Server": "", "X-Powered-By": ""}
	newGateway(t).RunAll(t, []scenario{
		{Name: "dashboard", Path: "/", Key: "-", Status: 200, ResponseHeaders: silent},
		{Name: "its parts", Path: "/ui/main.js", Key: "-", Status: 200, ResponseHeaders: silent},
		{Name: "an answer", Path: "/realtime", Key: "-", Status: 401, ResponseHeaders: map[string]string{"Server": "", "X-Powered-By": ""}},
	})
}
