package handlers

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/handlers/restdb"
)

const (
	corsHeaders = "x-apikey, Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control"
	corsExposed = "Retry-After, Idempotent-Replay, WWW-Authenticate, X-Request-Id"
	corsMaxAge  = "600"
)

// corsDoor is what pages of other origins may do at a door.
type corsDoor struct {
	path, methods, headers string
	exposed                []string // the header's value, which all answers share and none changes
}

// corsDoors are those that browsers of other origins may use; the rest has no CORS at all.
var corsDoors = []corsDoor{
	{path: "/realtime", methods: "GET, HEAD, POST", headers: corsHeaders, exposed: exposed},
	{path: "/sdk", methods: "GET, HEAD, POST", headers: corsHeaders, exposed: exposed},
	{path: "/rest", methods: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", headers: corsHeaders, exposed: exposedRest},
	{path: "/new", methods: "GET, POST", headers: corsHeaders + ", Accept", exposed: exposed},
	{path: "/room", methods: "GET, POST", headers: corsHeaders + ", Accept", exposed: exposed},
	{path: "/db", methods: persistrMethods, headers: corsHeaders, exposed: exposedLogin},
	{path: "/events", methods: persistrMethods, headers: corsHeaders, exposed: exposedLogin},
	{path: "/accounts", methods: persistrMethods, headers: corsHeaders, exposed: exposedLogin},
	{path: "/items", methods: "GET, POST, PATCH, DELETE, SEARCH", headers: corsHeaders, exposed: exposed},
	{path: "/auth", methods: "POST", headers: corsHeaders, exposed: exposed},
	{path: "/users", methods: "GET, HEAD", headers: corsHeaders, exposed: exposed},
	{path: "/server", methods: "GET, HEAD", headers: corsHeaders, exposed: exposed},
}

var (
	exposed      = []string{corsExposed}
	exposedRest  = []string{corsExposed + ", X-Pagination"}
	exposedLogin = []string{corsExposed + ", Authorization"}
	anyOrigin    = []string{"*"}
)

const persistrMethods = "GET, POST, PUT, DELETE"

// cors is ours since echo's own always varies by Origin and answers preflights of every path.
func cors(origins []string) echo.MiddlewareFunc {
	every := slices.Contains(origins, "*")
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r, h := c.Request(), c.Response().Header()
			door := corsDoorOf(r.URL.Path)
			if door == nil {
				return next(c)
			}
			origin := r.Header.Get(echo.HeaderOrigin)
			allowed := every || origin != "" && slices.Contains(origins, origin)
			switch {
			case every:
				h[echo.HeaderAccessControlAllowOrigin] = anyOrigin
			default:
				h.Add(echo.HeaderVary, echo.HeaderOrigin)
				if allowed {
					h.Set(echo.HeaderAccessControlAllowOrigin, origin)
				}
			}
			if allowed {
				h[echo.HeaderAccessControlExposeHeaders] = door.exposed
			}
			if r.Method != http.MethodOptions || r.Header.Get(echo.HeaderAccessControlRequestMethod) == "" {
				return next(c)
			}
			if allowed {
				h.Set(echo.HeaderAccessControlAllowMethods, door.methods)
				h.Set(echo.HeaderAccessControlAllowHeaders, door.headersFor(r))
				h.Set(echo.HeaderAccessControlMaxAge, corsMaxAge)
			}
			return c.NoContent(http.StatusNoContent)
		}
	}
}

// headersFor returns the headers that a page may send. Few send a method in a header, so it is named to those alone.
func (d *corsDoor) headersFor(r *http.Request) string {
	const override = "X-HTTP-Method-Override"
	if d.path == restdb.Path && strings.Contains(strings.ToLower(r.Header.Get(echo.HeaderAccessControlRequestHeaders)), strings.ToLower(override)) {
		return d.headers + ", " + override
	}
	return d.headers
}

func corsDoorOf(path string) *corsDoor {
	for i := range corsDoors {
		if p := corsDoors[i].path; path == p || strings.HasPrefix(path, p+"/") {
			return &corsDoors[i]
		}
	}
	return nil
}
