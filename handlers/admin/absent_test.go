package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"sluice/gateway/gatewaytest"
)

// Without an ADMIN_KEY each route is a 404, whatever the client sends: nothing shows which routes there would be.
func TestWithoutAdminKey(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.AdminKey = "" })
	const absent = `{"message":"there is no administrator: set ADMIN_KEY","code":"not_found"}` + "\n"
	routes := 0
	for _, r := range g.Config.Handler.(interface{ Routes() []*echo.Route }).Routes() {
		if !strings.HasPrefix(r.Path, "/admin/") {
			continue
		}
		routes++
		path := strings.NewReplacer(":id", "x", ":email", "ann@example.com").Replace(r.Path)
		for _, key := range []string{"", gatewaytest.AdminKey, gatewaytest.KeyAll} {
			status, text := g.Request(t, r.Method, path, "", "x-apikey", key)
			if want := map[bool]string{true: "", false: absent}[r.Method == http.MethodHead]; status != http.StatusNotFound || text != want {
				t.Errorf("%s %s with the key %q: %d %s", r.Method, path, key, status, text)
			}
		}
	}
	if routes < 15 {
		t.Errorf("only %d routes of /admin were found", routes)
	}
}
