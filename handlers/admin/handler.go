package admin

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/broker"
	"sluice/handlers/audit"
	"sluice/handlers/body"
	"sluice/handlers/cors"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/store/documents"
	"sluice/store/eventlog"
	"sluice/store/rooms"
	"sluice/store/share"
	"sluice/store/streams"
	"sluice/store/syntax"
)

// Options are plain values out of the settings, and what the gateway is made of.
type Options struct {
	Admin       *auth.Administrator
	Auth        *auth.Authenticator
	Broker      *broker.Broker
	Traffic     *traffic.Traffic
	Logger      *slog.Logger
	Version     string
	Retain      eventlog.Retention
	ReadTimeout time.Duration
	MaxBody     int64
	Backups     Backups
	// History serves the part of the event log that an identity may read.
	History func(c echo.Context, id *auth.Identity) error
	// Retract takes an event of /realtime out of the log, for an identity.
	Retract func(c echo.Context, id *auth.Identity, event string) error
	// Documents serves a request for documents of a collection, for an identity.
	Documents   func(c echo.Context, id *auth.Identity) error
	Collections func() []documents.Collection
	Databases   *streams.Catalog
	Rooms       *rooms.Rooms
	// Cluster is nil if the gateway is alone.
	Cluster *Cluster
	// RSS is how many bytes the process has in memory.
	RSS func() uint64
}

// Handler serves the API.
type Handler struct {
	o       Options
	started string
	quit    chan struct{} // closed by Close: it ends the streams of figures
	listing sync.Mutex    // locked while a request lists connections or revocations
	looks   *share.Slots  // for reads of what is stored
	recent  *recent       // figures of the last hour
	keeping sync.WaitGroup
}

const doorName = "admin"

// Name is the door's name in metrics, the log and the audit trail.
func (*Handler) Name() string { return doorName }

// Register adds the routes.
func (h *Handler) Register(e *echo.Echo) {
	for _, r := range []struct {
		method, path string
		f            echo.HandlerFunc
	}{
		{http.MethodGet, "/keys", h.listKeys},
		{http.MethodPost, "/keys", h.createKey},
		{http.MethodGet, "/keys/:id", h.getKey},
		{http.MethodPatch, "/keys/:id", h.updateKey},
		{http.MethodDelete, "/keys/:id", h.deleteKey},
		{http.MethodPost, "/keys/:id/tokens", h.mint},
		{http.MethodGet, "/users", h.listUsers},
		{http.MethodPost, "/users", h.addUser},
		{http.MethodGet, "/users/:email", h.getUser},
		{http.MethodPatch, "/users/:email", h.changeUser},
		{http.MethodDelete, "/users/:email", h.removeUser},
		{http.MethodGet, "/connections", h.listConnections},
		{http.MethodDelete, "/connections/:id", h.cutConnection},
		{http.MethodGet, "/stats", h.stats},
		{http.MethodGet, "/stats/history", h.pastStats},
		{http.MethodGet, "/cluster", h.cluster},
		{http.MethodGet, "/events", h.events},
		{http.MethodGet, "/events/:id", h.looking(h.event)},
		{http.MethodDelete, "/events/:id", h.retract},
		{http.MethodGet, "/streams", h.looking(h.listStreams)},
		{http.MethodGet, "/rooms", h.looking(h.listRooms)},
		{http.MethodGet, "/rooms/:room", h.looking(h.lookAtRoom)},
		{http.MethodDelete, "/rooms/:room", h.dropRoom},
		{http.MethodGet, "/collections", h.listCollections},
		{http.MethodGet, "/collections/:collection", h.documents},
		{http.MethodGet, "/collections/:collection/:id", h.documents},
		{http.MethodPut, "/collections/:collection/:id", h.documents},
		{http.MethodDelete, "/collections/:collection/:id", h.documents},
		{http.MethodGet, "/databases", h.looking(h.listDatabases)},
		{http.MethodGet, "/databases/:db/namespaces", h.looking(h.listNamespaces)},
		{http.MethodGet, "/databases/:db/streams", h.looking(h.listDatabaseStreams)},
		{http.MethodGet, "/databases/:db/events", h.looking(h.listDatabaseEvents)},
		{http.MethodGet, "/audit", h.trail},
		{http.MethodPost, "/backup", h.backup},
		{http.MethodGet, "/backups", h.listBackups},
		{http.MethodDelete, "/backups/:name", h.removeBackup},
		{http.MethodPost, "/revocations", h.revoke},
		{http.MethodGet, "/revocations", h.listRevocations},
	} {
		e.Add(r.method, "/admin"+r.path, h.only(r.f)) // and no group: its middleware would answer a wrong method with 404
	}
}

// CORS lets no page of another origin in: the administrator's key is for servers, and for the gateway's own pages.
func (h *Handler) CORS() []cors.Rule { return nil }

// only admits the administrator alone.
func (h *Handler) only(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !h.o.Admin.Exists() {
			return httperr.New(http.StatusNotFound, httperr.NotFound, "there is no administrator: set ADMIN_KEY")
		}
		values := c.Request().Header.Values("x-apikey")
		if len(values) != 1 || values[0] == "" {
			return httperr.New(http.StatusUnauthorized, httperr.AdminKey, "send ADMIN_KEY in the header x-apikey")
		}
		if bad := h.o.Admin.Check(c.RealIP(), values[0]); bad != nil {
			return bad
		}
		audit.Identify(c, audit.KindAdmin, audit.KindAdmin)
		c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
		return next(c)
	}
}

// read decodes the body, refuses unknown fields, and returns the body's bytes.
func (h *Handler) read(c echo.Context, to any) ([]byte, error) {
	text, err := body.Read(c, body.Limits{Bytes: h.o.MaxBody, Time: h.o.ReadTimeout, Memory: h.o.Traffic.Memory, Owner: "ADMIN_KEY"})
	if err != nil {
		return nil, err
	}
	if !json.Valid(text) {
		return nil, httperr.New(http.StatusBadRequest, httperr.BadJSON, "the body is not JSON: %s", syntax.ExplainJSON(text))
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return nil, httperr.New(http.StatusBadRequest, httperr.BadJSON, "the body cannot be read: %s", syntax.Explain(err))
	}
	return text, nil
}

// New makes the handler. Close ends it.
func New(o Options) (*Handler, error) {
	h := &Handler{o: o, started: stamp(), quit: make(chan struct{}), looks: share.NewSlots(looksAtOnce, looksWaiting), recent: newRecent()}
	if err := h.serveCluster(); err != nil {
		return nil, err
	}
	if o.Admin.Exists() {
		h.keeping.Go(h.keep)
	}
	return h, nil
}

// Close ends the streams of figures.
func (h *Handler) Close() error {
	close(h.quit)
	h.keeping.Wait()
	return nil
}
