package handlers_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

// An OPTIONS that is no preflight is answered at each route with 204 and with the methods that the route takes. At
// Directus' paths it is an unknown route.
func TestOptionsEverywhere(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	methods := map[string][]string{}
	for _, r := range g.Config.Handler.(interface{ Routes() []*echo.Route }).Routes() {
		if r.Method != echo.RouteNotFound {
			methods[r.Path] = append(methods[r.Path], r.Method)
		}
	}
	named := strings.NewReplacer(":room", "r", ":db", "demo", ":ns", "n", ":stream", "s", ":event", "e", ":collection", "c", ":id", "1", ":account", "demo", ":email", "ann@example.com", "*", "main.js")
	for route, want := range methods {
		if !slices.Contains(want, http.MethodOptions) {
			want = append(want, http.MethodOptions)
		}
		slices.Sort(want)
		path := named.Replace(route)
		answer := g.options(t, path)
		got := strings.Split(strings.ReplaceAll(answer.Header.Get("Allow"), " ", ""), ",")
		slices.Sort(got)
		switch door, _, _ := strings.Cut(path[1:], "/"); {
		case slices.Contains([]string{"items", "auth", "users", "server"}, door):
			if answer.StatusCode != http.StatusNotFound || answer.Header.Get("Allow") != "" {
				t.Errorf("OPTIONS %s: %d, Allow %q", path, answer.StatusCode, answer.Header.Get("Allow"))
			}
		case answer.StatusCode != http.StatusNoContent || !slices.Equal(got, want):
			t.Errorf("OPTIONS %s: %d, Allow %q, want %q", path, answer.StatusCode, got, want)
		}
	}
	if len(methods) < 50 {
		t.Errorf("only %d paths were found", len(methods))
	}
}

// options sends a bare OPTIONS without a credential.
func (g *gateway) options(t *testing.T, path string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(http.MethodOptions, g.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer
}
