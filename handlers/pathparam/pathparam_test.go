package pathparam

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

// Parameters are decoded once, however the client encodes the path.
func TestDecodedOnce(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/a/post:m/b":       "post:m,b",
		"/a/post%3Am/b":     "post:m,b",
		"/a/x%2Fy/%C3%BC":   "x/y,ü",
		"/a/%2541/%2541":    "%41,%41", // the path is encoded as usual, so echo matches it decoded
		"/a/%2541/%2541%2F": "%41,%41/",
		"/a/50%25/b%21":     "50%,b!",
	} {
		e := echo.New()
		got := ""
		e.GET("/a/:x/:y", func(c echo.Context) error {
			got = Get(c, "x") + "," + Get(c, "y")
			if all := strings.Join(All(c), ","); all != got {
				t.Errorf("%s: All returns %q, Get %q", path, all, got)
			}
			return nil
		})
		e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		if got != want {
			t.Errorf("%s: %q instead of %q", path, got, want)
		}
	}
}
