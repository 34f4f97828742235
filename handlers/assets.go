package handlers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/handlers/cors"
	"sluice/handlers/traffic"
	"sluice/public"
)

// asset is one embedded file.
type asset struct {
	content []byte
	kind    string
	etag    string
	types   string // of a module: where its declarations are, from where it is
}

// assets are the embedded files, by path.
type assets map[string]*asset

// kinds are the content types of our files. The system's own table may have other types, so we do not use it.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".ts": "text/plain; charset=utf-8", ".json": "application/json", ".svg": "image/svg+xml", ".md": "text/plain; charset=utf-8",
}

func loadAssets() assets {
	all := assets{}
	err := fs.WalkDir(public.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := public.Files.ReadFile(name)
		if err != nil {
			return err
		}
		kind := kinds[path.Ext(name)]
		if kind == "" {
			kind = mime.TypeByExtension(path.Ext(name))
		}
		hash := sha256.Sum256(content)
		all["/"+name] = &asset{content: content, kind: kind, etag: `"` + hex.EncodeToString(hash[:8]) + `"`}
		return nil
	})
	if err != nil {
		panic(err) // embedded files can always be read
	}
	for name := range all {
		if module, ok := strings.CutSuffix(name, ".d.ts"); ok {
			all[module+".js"].types = "./" + path.Base(name)
		}
	}
	all["/"] = all["/index.html"]
	all["/rest/_jsapi.js"] = all["/sdk/restdb.js"]
	all["/rest/_jsapi.doc"] = all["/sdk/restdb.html"]
	return all
}

// pagePolicy lets the page load only from this gateway, and no other page may frame it.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// serve answers with a file. Browsers may cache it, but must ask again each time, which costs a 304.
func (a assets) serve(c echo.Context) error {
	name := c.Request().URL.Path
	file := a[strings.TrimSuffix(name, "/index.html")]
	if file == nil {
		return echo.ErrNotFound
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, file.kind)
	h.Set(echo.HeaderCacheControl, "no-cache")
	h.Set("ETag", file.etag)
	h.Set(echo.HeaderXContentTypeOptions, "nosniff")
	if file.types != "" {
		h.Set("X-TypeScript-Types", file.types) // Deno looks there for the types of a module that it has by address
	}
	h.Set(echo.HeaderReferrerPolicy, "no-referrer")
	if name == "/" || strings.HasPrefix(name, "/ui/") || name == "/rest/_jsapi.doc" {
		h.Set(echo.HeaderContentSecurityPolicy, pagePolicy)
	} else {
		h.Set("Cross-Origin-Resource-Policy", "cross-origin") // pages of other origins use the SDK, and tools read the descriptions
	}
	http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(file.content))
	return nil
}

// Name is that of all that belongs to no door.
func (assets) Name() string { return traffic.DoorOther }

// Register adds the routes.
func (a assets) Register(e *echo.Echo) {
	for _, p := range []string{"/", "/ui/*", "/sdk/*", "/rest/_jsapi.js", "/rest/_jsapi.doc", "/openapi.json", "/asyncapi.json"} {
		e.GET(p, a.serve)
	}
}

// CORS lets pages of all origins load the SDK and what describes the gateway, but not the gateway's own pages.
func (assets) CORS() []cors.Rule {
	return []cors.Rule{
		{Path: "/sdk", Methods: "GET, HEAD, POST"},
		{Path: "/openapi.json", Methods: "GET, HEAD"},
		{Path: "/asyncapi.json", Methods: "GET, HEAD"},
	}
}

// Close has nothing to end.
func (assets) Close() error { return nil }
