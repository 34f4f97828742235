package handlers

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

const (
	corsMethods = "GET, HEAD, POST"
	corsHeaders = "x-apikey, Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control"
	corsExposed = "Retry-After, Idempotent-Replay, WWW-Authenticate, X-Request-Id"
	corsMaxAge  = "600"
)

// corsPaths are the doors that browsers of other origins may use; the rest has no CORS at all.
var corsPaths = []string{"/realtime", "/sdk"}

// cors is ours since echo's own always varies by Origin and answers preflights of every path.
func cors(origins []string) echo.MiddlewareFunc {
	every := slices.Contains(origins, "*")
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r, h := c.Request(), c.Response().Header()
			if !corsPath(r.URL.Path) {
				return next(c)
			}
			origin := r.Header.Get(echo.HeaderOrigin)
			allowed := every || origin != "" && slices.Contains(origins, origin)
			switch {
			case every:
				h.Set(echo.HeaderAccessControlAllowOrigin, "*")
			default:
				h.Add(echo.HeaderVary, echo.HeaderOrigin)
				if allowed {
					h.Set(echo.HeaderAccessControlAllowOrigin, origin)
				}
			}
			if allowed {
				h.Set(echo.HeaderAccessControlExposeHeaders, corsExposed)
			}
			if r.Method != http.MethodOptions || r.Header.Get(echo.HeaderAccessControlRequestMethod) == "" {
				return next(c)
			}
			if allowed {
				h.Set(echo.HeaderAccessControlAllowMethods, corsMethods)
				h.Set(echo.HeaderAccessControlAllowHeaders, corsHeaders)
				h.Set(echo.HeaderAccessControlMaxAge, corsMaxAge)
			}
			return c.NoContent(http.StatusNoContent)
		}
	}
}

func corsPath(path string) bool {
	for _, p := range corsPaths {
		if path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}
