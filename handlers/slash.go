package handlers

import (
	"net/http"
	"strings"
)

// slashless makes a path that ends in a slash the same as one that does not, at every door. It stands before the router.
// One slash goes: before it, as in /db/NAME/ns//, an empty name is a name. An id that ends in a slash is written with
// %2F, and keeps it. So do the pages, whose links start from their path.
func slashless(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := r.URL
		if strings.HasSuffix(u.Path, "/") && strings.HasSuffix(u.EscapedPath(), "/") && u.Path != "/" && !strings.HasPrefix(u.Path, "/ui/") {
			u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
		}
		next.ServeHTTP(w, r)
	})
}
