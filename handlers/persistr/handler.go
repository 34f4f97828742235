package persistr

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/account"
	"sluice/auth/peer"
	"sluice/broker"
	"sluice/handlers/audit"
	"sluice/handlers/cors"
	"sluice/handlers/httperr"
	"sluice/handlers/pathparam"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/store/share"
	"sluice/store/streams"
)

// Options are plain values out of the settings, and what the gateway is made of.
type Options struct {
	Auth         *auth.Authenticator
	Accounts     *account.Store
	Catalog      *streams.Catalog
	Broker       *broker.Broker
	Traffic      *traffic.Traffic
	Answers      *share.Answers // nil: the memory of answers is not charged
	Logger       *slog.Logger
	Admin        *auth.Administrator // whose key is the password of root
	PingInterval time.Duration
	WriteTimeout time.Duration
	Shards       int // as of writers.Config
	ReadTimeout  time.Duration
	MaxBody      int64
	MaxEvent     int64
	// TrustedProxies are those whose X-Forwarded-Prefix counts.
	TrustedProxies peer.Proxies
	// DemoOnLoopback is set where nothing but a loopback ADDR protects the account of PERSISTR_DEMO.
	DemoOnLoopback bool
}

// Handler serves the door.
type Handler struct {
	o       Options
	writers *writers.Writers
	streams traffic.Opener
	feeds   feeds
}

// New makes the handler. Close ends it.
func New(o Options) (*Handler, error) {
	h := &Handler{o: o, feeds: newFeeds(), streams: traffic.Opener{Door: doorName, Kind: traffic.KindFeed, Traffic: o.Traffic, Broker: o.Broker, Logger: o.Logger}}
	var err error
	h.writers, err = writers.New(writers.Config{
		Broker: o.Broker, PingInterval: o.PingInterval, WriteTimeout: o.WriteTimeout, Shards: o.Shards, Observer: o.Traffic, Memory: o.Traffic.Memory,
	})
	if err != nil {
		return nil, err
	}
	o.Catalog.OnChange(func(name string) {
		h.feeds.check(func(f *feed) bool { return f.selected.database == name }, h.mayContinue)
	})
	o.Accounts.OnChange(func(a *account.Account) {
		h.feeds.check(func(f *feed) bool { return f.who.account != nil && f.who.account.ID == a.ID }, h.mayContinue)
	})
	return h, nil
}

// Close cuts the feeds that have not ended.
func (h *Handler) Close() error {
	h.writers.Close()
	return nil
}

// call is a request whose sender is known.
type call struct {
	echo.Context
	who  *principal
	read bool   // the body was read
	text []byte // of the body
}

// name returns a part of the path.
func (c *call) name(part string) string { return pathparam.Get(c, part) }

const doorName = "persistr"

// Name is the door's name in metrics, the log and the audit trail.
func (*Handler) Name() string { return doorName }

// Register adds the routes. A namespace's part of the path is empty for the unnamed one.
func (h *Handler) Register(e *echo.Echo) {
	for _, r := range []struct {
		method, path string
		f            func(*call) error
	}{
		{http.MethodGet, "/db", h.listDatabases},
		{http.MethodPut, "/db/:db", h.createDatabase},
		{http.MethodDelete, "/db/:db", h.destroyDatabase},
		{http.MethodPost, "/db/:db/rename", h.renameDatabase},
		{http.MethodPost, "/db/:db/clone", h.cloneDatabase},
		{http.MethodPost, "/db/:db/grant", h.grant},
		{http.MethodPost, "/db/:db/revoke", h.revoke},

		{http.MethodGet, "/db/:db/streams", h.listStreams},
		{http.MethodDelete, "/db/:db/streams/:stream", h.destroyStream},

		{http.MethodGet, "/db/:db/ns", h.listNamespaces},
		{http.MethodPut, "/db/:db/ns/:ns", h.createNamespace},
		{http.MethodDelete, "/db/:db/ns/:ns", h.destroyNamespace},
		{http.MethodPost, "/db/:db/ns/:ns/rename", h.renameNamespace},
		{http.MethodDelete, "/db/:db/ns/:ns/contents", h.truncateNamespace},
		{http.MethodGet, "/db/:db/ns/:ns/streams", h.listStreams},
		{http.MethodDelete, "/db/:db/ns/:ns/streams/:stream", h.destroyStream},
		{http.MethodGet, "/db/:db/ns/:ns/streams/:stream/events/:event", h.readEvent},
		{http.MethodDelete, "/db/:db/ns/:ns/streams/:stream/events/:event", h.destroyEvent},
		{http.MethodPut, "/db/:db/ns/:ns/streams/:stream/annotation", h.annotate},
		{http.MethodGet, "/db/:db/ns/:ns/streams/:stream/annotation", h.readAnnotation},
		{http.MethodDelete, "/db/:db/ns/:ns/streams/:stream/annotation", h.removeAnnotation},

		{http.MethodGet, "/accounts", h.listAccounts},
		{http.MethodGet, "/accounts/:account", h.profile},
		{http.MethodPost, "/accounts/:account", h.createAccount},
		{http.MethodDelete, "/accounts/:account", h.destroyAccount},
		{http.MethodPost, "/accounts/:account/activate", h.activate},
		{http.MethodPost, "/accounts/:account/deactivate", h.deactivate},
	} {
		e.Add(r.method, r.path, h.authenticated(h.twice(r.f)))
	}
	e.POST("/events", h.authenticated(h.appendEvent))
	e.PUT("/events/:event", h.authenticated(h.appendEvent))
	for _, path := range []string{"/db/:db/events", "/db/:db/ns/:ns/events", "/db/:db/ns/:ns/streams/:stream/events"} {
		e.GET(path, h.readEvents)
	}
}

// CORS returns what pages of other origins may do. A sign-in answers with a token in Authorization.
func (h *Handler) CORS() []cors.Rule {
	var rules []cors.Rule
	for _, path := range []string{"/db", "/events", "/accounts"} {
		rules = append(rules, cors.Rule{Path: path, Methods: "GET, POST, PUT, DELETE", Exposed: []string{echo.HeaderAuthorization}})
	}
	return rules
}

// authenticate finds the sender of a request, and charges the request to it.
func (h *Handler) authenticate(c echo.Context) (*principal, error) {
	who, err := h.identify(c)
	if err == nil {
		r := c.Request()
		c.SetRequest(r.WithContext(share.WithSender(r.Context(), peer.Owner(who.identity.Scope, c.RealIP()), traffic.SenderOf(c, doorName, who.identity))))
	}
	return who, err
}

// authenticated authenticates, and answers errors in the door's shape.
func (h *Handler) authenticated(f func(*call) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		httperr.UseShape(c, shape)
		who, err := h.authenticate(c)
		if err == nil {
			audit.Identify(c, who.identity.Name, who.identity.Kind)
			err = f(&call{Context: c, who: who})
		}
		if err == nil || c.Response().Committed {
			return nil
		}
		return h.refuse(c, err)
	}
}

// again calls f, and if f does not find something or the sender may not use it, once more when this gateway has what the
// others had at the call: a database, a role or an event may have been made at another one a moment ago.
func (h *Handler) again(c *call, f func() error) error {
	var err error
	behind := h.o.Broker.Log().Again(c.Request().Context(), func() bool {
		if err = f(); err == nil || c.Response().Committed {
			return true
		}
		status := httperr.From(err).Status
		return status != http.StatusForbidden && status != http.StatusNotFound
	})
	if behind != nil {
		return behind
	}
	return err
}

// twice makes a call that runs again.
func (h *Handler) twice(f func(*call) error) func(*call) error {
	return func(c *call) error { return h.again(c, func() error { return f(c) }) }
}

// allowed reports whether the sender has a role in the database of the path.
func (h *Handler) allowed(c *call, least streams.Role) (string, error) {
	name := c.name("db")
	if h.role(c.who, name) < least {
		return name, forbidden("%s of database %q is needed for this; an unknown database gives the same answer", least, name)
	}
	return name, nil
}
