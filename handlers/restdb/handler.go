package restdb

import (
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/peer"
	"sluice/channel"
	"sluice/handlers/body"
	"sluice/handlers/cors"
	"sluice/handlers/httperr"
	"sluice/handlers/pathparam"
	"sluice/handlers/traffic"
	"sluice/store/documents"
	"sluice/store/share"
)

// Path is the prefix of the door's paths.
const Path = "/rest"

// Options are values from the settings, and the parts of the gateway that the door uses.
type Options struct {
	Auth        *auth.Authenticator
	Documents   *documents.Store
	Traffic     *traffic.Traffic
	ReadTimeout time.Duration
	MaxBody     int64
}

// Handler serves the door.
type Handler struct{ o Options }

// New makes the handler.
func New(o Options) *Handler { return &Handler{o} }

const doorName = "rest"

// Name is the door's name in metrics, the log and the audit trail.
func (*Handler) Name() string { return doorName }

// Register adds the routes.
func (h *Handler) Register(e *echo.Echo) {
	const collection, one = Path + "/:collection", Path + "/:collection/:id"
	set, remove := h.counted(h.set), h.counted(h.remove)
	for path, methods := range map[string]map[string]action{
		collection: {http.MethodGet: h.list, http.MethodHead: h.list, http.MethodPost: h.counted(h.insert)},
		one:        {http.MethodGet: h.get, http.MethodHead: h.get, http.MethodPut: set, http.MethodPatch: set, http.MethodDelete: remove},
	} {
		for method, f := range methods {
			if method != http.MethodPost {
				e.Add(method, path, h.authenticated(method, f))
			}
		}
		e.POST(path, h.servePost(methods))
	}
}

// CORS returns the rules for pages of other origins.
func (h *Handler) CORS() []cors.Rule {
	return []cors.Rule{{
		Path: Path, Methods: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", Asked: []string{headerOverride}, Exposed: []string{"X-Pagination"},
	}}
}

// Close does nothing: the door has no background work.
func (h *Handler) Close() error { return nil }

// action serves a request whose sender is authenticated and permitted.
type action func(*call) error

// call is a request whose sender is authenticated and permitted.
type call struct {
	echo.Context
	method     string // of the request, or of X-HTTP-Method-Override if it is set
	who        *auth.Identity
	values     url.Values
	collection string
	id         string // * means several documents
}

// authenticated authenticates the sender, checks the origin and the permission, and then runs f.
func (h *Handler) authenticated(method string, f action) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		values, err := readValues(r.URL.RawQuery)
		if err != nil {
			return err
		}
		who, bad := h.o.Auth.Authenticate(r.Context(), h.o.Auth.Carriers(r, values, c.RealIP()))
		if bad != nil {
			return bad
		}
		if !who.OriginAllowed(r.Header.Get(echo.HeaderOrigin)) {
			return httperr.ForeignOrigin()
		}
		return h.serve(c, method, values, who, f)
	}
}

// Serve serves a request for an identity that another door has authenticated.
func (h *Handler) Serve(c echo.Context, who *auth.Identity) error {
	values, err := readValues(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	f := h.list
	if pathparam.Get(c, "id") != "" {
		f = map[string]action{http.MethodPut: h.counted(h.set), http.MethodDelete: h.counted(h.remove)}[c.Request().Method]
		if f == nil {
			f = h.get
		}
	}
	return h.serve(c, c.Request().Method, values, who, f)
}

// serve checks what the sender may do, and runs f.
func (h *Handler) serve(c echo.Context, method string, values url.Values, who *auth.Identity, f action) error {
	r := c.Request()
	one := &call{c, method, who, values, pathparam.Get(c, "collection"), pathparam.Get(c, "id")}
	if err := documents.CheckCollection(one.collection); err != nil {
		return httperr.New(http.StatusNotFound, httperr.NotFound, "there is no such collection: %v; all answers are JSON, so leave out .js or .html", err)
	}
	if err := one.allowed(); err != nil {
		return err
	}
	c.SetRequest(r.WithContext(share.WithSender(r.Context(), peer.Owner(who.Scope, c.RealIP()), traffic.SenderOf(c, doorName, who))))
	return f(one)
}

// allowed refuses a sender without the permission for the method on the collection.
func (c *call) allowed() error {
	switch c.method {
	case http.MethodHead:
		return c.need(http.MethodGet)
	case http.MethodPatch:
		return c.need(http.MethodPut)
	default:
		return c.need(c.method)
	}
}

// may reports whether the sender has a permission.
func (c *call) may(method string) bool { return c.who.Rest.Match(channel.Of("", method, c.collection)) }

// need refuses a client without a permission.
func (c *call) need(method string) error {
	if c.may(method) {
		return nil
	}
	return httperr.New(http.StatusForbidden, httperr.Forbidden,
		`this credential may not %s documents of %q; give it "%s:%s" ("rest" of the key, "rest" in the token's "realtime")`, method, c.collection, method, c.collection)
}

// needToRead refuses a client without the permission to read. It is for requests that reveal the content of documents; what
// names the part of the request that does.
func (c *call) needToRead(what string) error {
	if c.may(http.MethodGet) {
		return nil
	}
	return httperr.New(http.StatusForbidden, httperr.Forbidden,
		`%s shows what documents hold, and this credential may not GET documents of %q; give it "GET:%s" too`, what, c.collection, c.collection)
}

// counted runs a change, unless the gateway drains, and counts it by its outcome. f returns the number of its events.
func (h *Handler) counted(f func(*call) (int, error)) func(*call) error {
	return func(c *call) error {
		started := time.Now()
		if !h.o.Traffic.EnterPublish() {
			return traffic.ErrDraining()
		}
		defer h.o.Traffic.LeavePublish()
		events, err := f(c)
		code := "ok"
		if err != nil {
			code = httperr.From(err).Code
		}
		h.o.Traffic.Published(code, events, time.Since(started))
		return err
	}
}

// take charges events to the publish rate.
func (c *call) take(events int) error {
	if ok, wait := c.who.Take(time.Now(), events); !ok {
		return httperr.OverRate("this credential publishes faster than its rate allows", wait)
	}
	return nil
}

// json sends an answer that is already JSON.
func (c *call) json(status int, text []byte) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return body.JSON(c, status, text)
}
