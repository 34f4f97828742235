package handlers

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"sluice/auth"
	"sluice/handlers/audit"
	"sluice/handlers/cors"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/store/eventlog"
)

// Options are the doors, and the parts that the other routes need.
type Options struct {
	Doors          []Door
	Traffic        *traffic.Traffic
	Logger         *slog.Logger
	Metrics        prometheus.Gatherer
	CORS           cors.Options
	TrustedProxies []*net.IPNet
	Administrator  *auth.Administrator // with this key, clients beyond loopback may read /metrics
	Trail          *audit.Trail
	Ready          func() error // an error is the reason why the gateway cannot serve now
	KeysReady      func() bool  // whether tokens can be checked; nil: they always can
	ReadTimeout    time.Duration
}

// New makes the gateway's handler.
func New(o Options) http.Handler {
	doors := append(slices.Clone(o.Doors), loadAssets()) // last: a file below a door's path is no reason to name the path after it
	names := traffic.Doors{}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = httperr.Handler(o.Logger)
	e.IPExtractor = ipExtractor(o.TrustedProxies)
	e.Use(chain(
		requestID,
		boundUnread(o.ReadTimeout),
		o.Trail.Watch(o.Traffic, names),
		middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: logPanic(o.Logger), DisableErrorHandler: true}),
		accessLog(o.Logger),
		cors.New(o.CORS, rulesOf(doors)),
		chargeHead(o.Traffic.Memory),
	))
	addHeads := headsOfGets(e)
	register(e, doors, names)
	names.Add("/metrics", traffic.DoorMetrics)
	for path, answer := range map[string]echo.HandlerFunc{"/healthz": healthz, "/readyz": readyz(o), "/metrics": metrics(o)} {
		e.GET(path, answer)
	}
	addHeads()
	return slashless{e}
}

// chain makes one middleware of several. It combines them once. echo would do so for each request, with a closure for
// each of them (7 of the 61 allocations of a publish).
func chain(all ...echo.MiddlewareFunc) echo.MiddlewareFunc {
	first := echo.HandlerFunc(func(c echo.Context) error { return c.Handler()(c) }) // the route's
	for _, m := range slices.Backward(all) {
		first = m(first)
	}
	return func(echo.HandlerFunc) echo.HandlerFunc { return first }
}

// ipExtractor trusts X-Forwarded-For only from the proxies named in the settings.
func ipExtractor(proxies []*net.IPNet) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range proxies {
		options = append(options, echo.TrustIPRange(p))
	}
	extract := echo.ExtractIPFromXFFHeader(options...)
	return func(r *http.Request) string {
		return extract(&http.Request{RemoteAddr: r.RemoteAddr, Header: http.Header{echo.HeaderXForwardedFor: withoutPorts(r.Header[echo.HeaderXForwardedFor])}})
	}
}

// withoutPorts returns the addresses of X-Forwarded-For without the ports that some balancers add: 203.0.113.7:51234,
// [2001:db8::1]:443.
func withoutPorts(lines []string) []string {
	var all []string
	for _, line := range lines {
		for entry := range strings.SplitSeq(line, ",") {
			entry = strings.Trim(entry, " \t\"")
			if address, err := netip.ParseAddrPort(entry); err == nil {
				entry = address.Addr().WithZone("").String()
			}
			all = append(all, entry)
		}
	}
	return all
}

// requestIDHeader is the name as http.Header has it.
var requestIDHeader = http.CanonicalHeaderKey(echo.HeaderXRequestID)

// requestID gives each answer an id. It ignores an id from the client, which would otherwise get into our log.
func requestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		var id [8]byte
		var text [2 * len(id)]byte
		binary.BigEndian.PutUint64(id[:], rand.Uint64())
		hex.Encode(text[:], id[:])
		c.Response().Header()[requestIDHeader] = []string{string(text[:])} // Set would spell the name again for each answer
		return next(c)
	}
}

func logPanic(log *slog.Logger) middleware.LogErrorFunc {
	return func(c echo.Context, err error, stack []byte) error {
		log.Error("a handler panicked", "path", c.Path(), "cause", err, "stack", string(stack))
		return fmt.Errorf("panic: %w", err)
	}
}

// accessLog logs each request except streams, which are logged at their end. It logs the route's path and no query: the
// real path and the query could contain a secret.
func accessLog(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			var started time.Time
			enabled := log.Enabled(c.Request().Context(), slog.LevelDebug)
			if enabled { // else the line would be dropped, so do not build it
				started = time.Now()
			}
			err := next(c)
			if err != nil {
				c.Error(err)
			}
			if !enabled {
				return nil
			}
			log.Debug("request", "method", c.Request().Method, "path", c.Path(), "status", c.Response().Status,
				"code", httperr.Code(c), "from", c.RealIP(), "took", time.Since(started).Round(time.Microsecond),
				"request_id", c.Response().Header().Get(echo.HeaderXRequestID))
			return nil
		}
	}
}

func healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

func readyz(o Options) echo.HandlerFunc {
	return func(c echo.Context) error {
		if o.Traffic.Draining() {
			return httperr.New(http.StatusServiceUnavailable, httperr.Draining, "the gateway is shutting down").After(5 * time.Second)
		}
		if err := o.Ready(); eventlog.DiskFull(err) {
			return httperr.OfLog(err).After(5 * time.Second)
		} else if err != nil {
			return httperr.New(http.StatusServiceUnavailable, httperr.Unavailable, "the event log cannot serve now; the gateway's own log has the cause").After(5 * time.Second).Because(err)
		}
		if o.KeysReady != nil && !o.KeysReady() {
			return httperr.New(http.StatusServiceUnavailable, auth.KeysUnavailable, "the keys of JWT_JWKS_URL could not be fetched yet, so tokens cannot be checked; the gateway's own log has the cause").After(auth.MinJWKSInterval)
		}
		return c.String(http.StatusOK, "ok\n")
	}
}
