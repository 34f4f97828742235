package directus

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"
	"github.com/tidwall/gjson"

	"sluice/auth"
	"sluice/auth/peer"
	"sluice/broker"
	"sluice/handlers/audit"
	"sluice/handlers/body"
	"sluice/handlers/cors"
	"sluice/handlers/httperr"
	"sluice/handlers/pathparam"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/store/documents"
	"sluice/store/share"
	"sluice/store/syntax"
)

// Mode is how sockets authenticate.
type Mode string

// The modes.
const (
	Handshake Mode = "handshake" // by the first message
	Public    Mode = "public"    // by a message, if at all
	Strict    Mode = "strict"    // by the upgrade request
)

// Options are values from the settings, and the parts of the gateway that the door uses.
type Options struct {
	Auth         *auth.Authenticator
	Documents    *documents.Store
	Broker       *broker.Broker
	Traffic      *traffic.Traffic
	Logger       *slog.Logger
	Trail        *audit.Trail
	Mode         Mode
	AuthTimeout  time.Duration
	Heartbeat    time.Duration
	WriteTimeout time.Duration
	Shards       int // as in writers.Config
	ReadTimeout  time.Duration
	MaxBody      int64
}

// Handler serves the door.
type Handler struct {
	o             Options
	streams       traffic.Opener
	writers       *writers.Writers
	sockets       writers.SocketOptions
	feeds         feeds
	changes       *changes
	costlyQueries *share.Slots // for queries that cost much to match against a change
}

// New makes the handler.
func New(o Options) (*Handler, error) {
	w, err := writers.New(writers.Config{
		Broker: o.Broker, PingInterval: time.Second, WriteTimeout: o.WriteTimeout, Shards: o.Shards, Observer: o.Traffic, Memory: o.Traffic.Memory,
	})
	if err != nil {
		return nil, err
	}
	return &Handler{o: o, writers: w, sockets: writers.SocketOptions{Exclusive: true, Several: true, ReadTimeout: o.ReadTimeout},
		streams: traffic.Opener{Door: doorName, Kind: traffic.KindDirectusSocket, Traffic: o.Traffic, Broker: o.Broker, Logger: o.Logger},
		feeds:   feeds{byKey: map[feedKey]*feed{}}, changes: newChanges(o.Broker.Log()), costlyQueries: newCostlyQueries()}, nil
}

const doorName = "directus"

// Name is the door's name in metrics, the log and the audit trail.
func (*Handler) Name() string { return doorName }

// Register adds the routes.
func (h *Handler) Register(e *echo.Echo) {
	const collection, item = "/items/:" + paramCollection, "/items/:" + paramCollection + "/:" + paramID
	for _, r := range []struct {
		method, path string
		f            func(*call) error
	}{
		{http.MethodGet, collection, h.listItems},
		{methodSearch, collection, h.searchItems},
		{http.MethodPost, collection, h.createItems},
		{http.MethodPatch, collection, h.updateItems},
		{http.MethodDelete, collection, h.deleteItems},
		{http.MethodGet, item, h.readItem},
		{http.MethodPatch, item, h.updateItem},
		{http.MethodDelete, item, h.deleteItem},
	} {
		e.Add(r.method, r.path, h.authenticated(r.f))
	}
	e.Match([]string{http.MethodGet, http.MethodHead}, "/users/me", h.authenticated(h.me))
	e.Match([]string{http.MethodGet, http.MethodHead}, "/server/ping", h.ping)
	e.POST("/auth/login", h.session(h.login))
	e.POST("/auth/refresh", h.session(h.refresh))
	e.POST("/auth/logout", h.session(h.logout))
	for _, path := range []string{"/items", "/items/*", item + "/*", "/auth", "/auth/*", "/users", "/users/*", "/server", "/server/*"} { // without the third, an id is all that is left of the path
		e.RouteNotFound(path, func(c echo.Context) error {
			return h.refuse(c, httperr.New(http.StatusNotFound, codeNoRoute, "there is no %s %s here", c.Request().Method, c.Request().URL.Path))
		})
	}
	e.GET(pathSocket, h.connect)
}

// pathSocket is the path of the WebSocket.
const pathSocket = "/websocket"

// CORS returns what pages of other origins may do. A WebSocket needs none.
func (h *Handler) CORS() []cors.Rule {
	return []cors.Rule{
		{Path: "/items", Methods: "GET, POST, PATCH, DELETE, SEARCH"},
		{Path: "/auth", Methods: http.MethodPost},
		{Path: "/users", Methods: "GET, HEAD"},
		{Path: "/server", Methods: "GET, HEAD"},
	}
}

// Close ends the writer of the sockets; the drain of the gateway has ended them.
func (h *Handler) Close() error {
	h.writers.Close()
	return nil
}

// The names of the parameters in paths.
const (
	paramCollection = "collection"
	paramID         = "id"
)

// methodSearch is a GET whose query is its body.
const methodSearch = "SEARCH"

// call is a request after authentication.
type call struct {
	echo.Context
	*caller
}

// authenticated authenticates, and answers errors in the door's shape.
func (h *Handler) authenticated(f func(*call) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		httperr.UseShape(c, shape)
		who, err := h.identify(c)
		if err == nil {
			ctx := share.WithSender(c.Request().Context(), owner(who, c.RealIP()), traffic.SenderOf(c, doorName, who))
			err = f(&call{c, &caller{h, ctx, who, pathparam.Get(c, paramCollection)}})
		}
		if err == nil {
			return nil
		}
		return h.refuse(c, err)
	}
}

// owner returns the owner to whom a client's work and memory are charged.
func owner(who *auth.Identity, address string) string {
	if who == nil {
		return peer.Owner("", address)
	}
	return peer.Owner(who.Scope, address)
}

// identify returns the identity of a request: nil if it has no credential, and no application decides without one.
func (h *Handler) identify(c echo.Context) (*auth.Identity, error) {
	r := c.Request()
	carriers := h.o.Auth.Carriers(r, r.URL.Query(), c.RealIP())
	if carriers.Empty() && !h.o.Auth.Decides() {
		return nil, nil // no credential is not an error here
	}
	who, bad := h.o.Auth.Authenticate(r.Context(), carriers)
	if bad != nil {
		return nil, bad
	}
	if !who.OriginAllowed(r.Header.Get(echo.HeaderOrigin)) {
		return nil, httperr.ForeignOrigin()
	}
	return who, nil
}

// identifySocket is identify for a socket that may authenticate by a message later. It has no identity either if it has
// nothing for the application to decide by, or the application refuses it, or its page may not use the application's cookie.
func (h *Handler) identifySocket(c echo.Context) (*auth.Identity, error) {
	r := c.Request()
	carriers := h.o.Auth.Carriers(r, r.URL.Query(), c.RealIP())
	switch {
	case h.o.Mode == Strict:
		return h.identify(c)
	case h.o.Auth.Anonymous(carriers):
		return nil, nil
	}
	who, err := h.identify(c)
	var bad *auth.Error
	if errors.As(err, &bad) && (bad.Code == auth.ApplicationRefused || bad.Code == auth.CookieOrigin && carriers.Empty()) {
		return nil, nil
	}
	return who, err
}

// body reads a request's JSON, without white space. If there is no body, Exists of the result is false.
func (h *Handler) body(c echo.Context) (gjson.Result, error) {
	none := gjson.Result{}
	limits := body.Limits{Bytes: h.o.MaxBody, Time: h.o.ReadTimeout, Memory: h.o.Traffic.Memory, Fields: true}
	if one, ok := c.(*call); ok && one.who != nil {
		limits.Owner = one.who.Scope
	} else if limits.Bytes > firstMessage {
		limits.Bytes, limits.Named = firstMessage, "the limit before authentication"
	}
	text, err := body.Read(c, limits)
	if err != nil {
		return none, err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return none, nil
	}
	if len(c.Request().Header.Values(echo.HeaderContentEncoding)) > 0 {
		return none, httperr.New(http.StatusUnsupportedMediaType, codeUnsupportedType, "Content-Encoding is not supported; send JSON uncompressed")
	}
	return h.compact(text)
}

// compact parses JSON strictly, so that a text built from it is JSON too. It refuses duplicate fields: the checks could
// see one of them and the client another. Items are an array, or the field data of an object.
func (h *Handler) compact(text []byte) (gjson.Result, error) {
	depth := 2
	if bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte{'['}) {
		depth = 1
	}
	if err := h.o.Documents.CheckWidth(text, depth); err != nil {
		return gjson.Result{}, err
	}
	v := jsontext.Value(text)
	if err := v.Compact(jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false)); err != nil {
		return gjson.Result{}, badPayload("it is not JSON: %s", syntax.ExplainJSON(text))
	}
	return gjson.ParseBytes(v), nil
}
