package realtime

import (
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/broker"
	"sluice/broker/sse"
	"sluice/handlers/cors"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/store/streams"
)

// Path is where the door is.
const Path = "/realtime"

// Options are plain values out of the settings.
type Options struct {
	Auth         *auth.Authenticator
	Broker       *broker.Broker
	Logger       *slog.Logger
	Databases    *streams.Catalog
	Traffic      *traffic.Traffic
	Frames       sse.Frames // of custom events, where neither request nor key says
	PingInterval time.Duration
	WriteTimeout time.Duration
	ReadTimeout  time.Duration
	MaxBody      int64
	MaxEvent     int64

	Shards int // of the shared writer: 0 one a processor, less than 0 none
}

// Handler serves the door.
type Handler struct {
	o       Options
	writers *writers.Writers
	streams traffic.Opener
}

// New makes the handler. Close ends it.
func New(o Options) (*Handler, error) {
	h := &Handler{o: o, streams: traffic.Opener{Door: doorName, Traffic: o.Traffic, Broker: o.Broker, Logger: o.Logger}}
	var err error
	h.writers, err = writers.New(writers.Config{
		Broker: o.Broker, PingInterval: o.PingInterval, WriteTimeout: o.WriteTimeout, Shards: o.Shards, Observer: o.Traffic, Memory: o.Traffic.Memory,
		DrainRetry: func() time.Duration { return drainRetry(o.Traffic.Streams()) }, CutRetry: cutRetry, FailRetry: traffic.BusyRetry,
	})
	return h, err
}

// Close cuts the streams that have not ended.
func (h *Handler) Close() error {
	h.writers.Close()
	return nil
}

const doorName = "realtime"

// Name is the door's name in metrics, the log and the audit trail.
func (*Handler) Name() string { return doorName }

// Register adds the routes.
func (h *Handler) Register(e *echo.Echo) {
	e.GET(Path, h.subscribe)
	e.POST(Path, h.publish)
	e.OPTIONS(Path, options)
	e.POST(Path+"/token", h.mint)
}

// CORS returns what pages of other origins may do.
func (h *Handler) CORS() []cors.Rule { return []cors.Rule{{Path: Path, Methods: "GET, HEAD, POST"}} }

// options answers what is not a preflight; that the CORS middleware has answered already.
func options(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderAllow, "GET, HEAD, OPTIONS, POST")
	return c.NoContent(http.StatusNoContent)
}

// identify is the part of the checks that both handlers share: the query, the credentials, the
// origin.
func (h *Handler) identify(c echo.Context) (*auth.Identity, url.Values, error) {
	r := c.Request()
	query, err := readQuery(r)
	if err != nil {
		return nil, nil, err
	}
	id, bad := h.o.Auth.Authenticate(r.Context(), h.o.Auth.Carriers(r, query, c.RealIP()))
	if bad != nil {
		return nil, nil, bad
	}
	if origin := r.Header.Get(echo.HeaderOrigin); !id.OriginAllowed(origin) {
		return nil, nil, httperr.ForeignOrigin()
	}
	return id, query, nil
}

func readQuery(r *http.Request) (url.Values, error) {
	if r.URL.RawQuery == "" {
		return nil, nil // it is only read
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, httperr.New(http.StatusBadRequest, httperr.BadQuery, "the query cannot be read: percent-encode everything but letters and digits")
	}
	return query, nil
}
