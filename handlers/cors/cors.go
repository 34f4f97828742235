// Package cors lets pages of other origins use the doors that say so. It is ours since echo's own always varies by Origin and
// answers preflights of every path.
package cors

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// Options are what all rules have in common.
type Options struct {
	Origins     []string // whose pages may use the doors; * is every one
	Headers     []string // that pages may send, in addition to those of every rule
	Credentials bool     // pages of an origin that is listed by name may send cookies
}

// Rule is what pages of other origins may do at a path and below it. What has no rule has no CORS at all.
type Rule struct {
	Path    string
	Methods string   // as the header lists them
	Headers []string // that pages may send, in addition to those of every rule
	Asked   []string // that pages may send too, named only to those that ask, as few do
	Exposed []string // that pages may read, in addition to those of every rule
}

// What every rule has.
const (
	headers = "x-apikey, Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control"
	exposed = "Retry-After, Idempotent-Replay, WWW-Authenticate, X-Request-Id"
	maxAge  = "600"
)

// rule is one with its headers put together once.
type rule struct {
	path, methods, headers string
	asked                  []string
	exposed                []string // the header's value, which all answers share and none changes
}

func newRule(r *Rule, more []string) rule {
	return rule{
		path: r.Path, methods: r.Methods, asked: r.Asked,
		headers: strings.Join(slices.Concat([]string{headers}, r.Headers, more), ", "),
		exposed: []string{strings.Join(append([]string{exposed}, r.Exposed...), ", ")},
	}
}

func (r *rule) covers(path string) bool {
	below, ok := strings.CutPrefix(path, r.path)
	return ok && (below == "" || below[0] == '/')
}

// headersFor returns the headers that a page may send.
func (r *rule) headersFor(request *http.Request) string {
	named := r.headers
	for _, name := range r.asked {
		if strings.Contains(strings.ToLower(request.Header.Get(echo.HeaderAccessControlRequestHeaders)), strings.ToLower(name)) {
			named += ", " + name
		}
	}
	return named
}

func ruleOf(all []rule, path string) *rule {
	for i := range all {
		if all[i].covers(path) {
			return &all[i]
		}
	}
	return nil
}

var anyOrigin = []string{"*"}

var yes = []string{"true"}

// New makes the middleware for pages of other origins.
func New(o Options, rules []Rule) echo.MiddlewareFunc {
	every := slices.Contains(o.Origins, "*")
	all := make([]rule, 0, len(rules))
	for i := range rules {
		all = append(all, newRule(&rules[i], o.Headers))
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r, h := c.Request(), c.Response().Header()
			door := ruleOf(all, r.URL.Path)
			if door == nil {
				return next(c)
			}
			allowed := allow(h, r.Header.Get(echo.HeaderOrigin), &o, every)
			if allowed {
				h[echo.HeaderAccessControlExposeHeaders] = door.exposed
			}
			if r.Method != http.MethodOptions || r.Header.Get(echo.HeaderAccessControlRequestMethod) == "" {
				return next(c)
			}
			if allowed {
				h.Set(echo.HeaderAccessControlAllowMethods, door.methods)
				h.Set(echo.HeaderAccessControlAllowHeaders, door.headersFor(r))
				h.Set(echo.HeaderAccessControlMaxAge, maxAge)
			}
			return c.NoContent(http.StatusNoContent)
		}
	}
}

// allow sets the headers that let an origin in, if it may come in. Where every origin may, none may with cookies: a hostile
// page would act for the user of its browser.
func allow(h http.Header, origin string, o *Options, every bool) bool {
	if every {
		h[echo.HeaderAccessControlAllowOrigin] = anyOrigin
		return true
	}
	h.Add(echo.HeaderVary, echo.HeaderOrigin)
	if origin == "" || !slices.Contains(o.Origins, origin) {
		return false
	}
	h.Set(echo.HeaderAccessControlAllowOrigin, origin)
	if o.Credentials {
		h[echo.HeaderAccessControlAllowCredentials] = yes
	}
	return true
}
