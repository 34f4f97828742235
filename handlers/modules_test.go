package handlers_test

import "testing"

// A module of the SDK says where its types are, also in an answer without a body. Pages of all origins may load both.
func TestModulesNameTheirTypes(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	_, _, header := g.Answer(t, "GET", "/sdk/sluice.js", "")
	tag := header.Get("ETag")
	module := map[string]string{"X-TypeScript-Types": "./sluice.d.ts", "Content-Type": "text/javascript; charset=utf-8", "Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "no-cache"}
	g.RunAll(t, []scenario{
		{Name: "a module", Path: "/sdk/sluice.js", Key: "-", Status: 200, ResponseHeaders: module},
		{Name: "HEAD", Method: "HEAD", Path: "/sdk/sluice.js", Key: "-", Status: 200, ResponseHeaders: module},
		{Name: "not modified", Path: "/sdk/sluice.js", Key: "-", Headers: map[string]string{"If-None-Match": tag}, Status: 304, ResponseHeaders: map[string]string{"X-TypeScript-Types": "./sluice.d.ts", "ETag": tag}},
		{Name: "its types", Path: "/sdk/sluice.d.ts", Key: "-", Status: 200, Has: []string{"export function connect("}, ResponseHeaders: map[string]string{
			"X-TypeScript-Types": "", "Content-Type": "text/plain; charset=utf-8", "Cross-Origin-Resource-Policy": "cross-origin",
		}},
		{Name: "the hooks", Path: "/sdk/react.js", Key: "-", Status: 200, Has: []string{`from"./sluice.js"`}, ResponseHeaders: map[string]string{"X-TypeScript-Types": "./react.d.ts"}},
		{Name: "their types", Path: "/sdk/react.d.ts", Key: "-", Status: 200, Has: []string{"export function useChannel"}},
		{Name: "a script without types", Path: "/sdk/restdb.js", Key: "-", Status: 200, ResponseHeaders: map[string]string{"X-TypeScript-Types": ""}},
		{Name: "a script of the page", Path: "/ui/main.js", Key: "-", Status: 200, ResponseHeaders: map[string]string{"X-TypeScript-Types": ""}},
	})
}
