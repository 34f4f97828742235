package handlers

import (
	"net/http"
	"net/http/pprof"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sluice/auth"
	"sluice/auth/peer"
	"sluice/handlers/audit"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
)

// metrics serves /metrics on the main address. It answers direct requests from this machine, and requests with the
// admin key.
func metrics(o Options) echo.HandlerFunc {
	serve := echo.WrapHandler(promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{}))
	return func(c echo.Context) error {
		if peer.Direct(c.Request()) {
			return serve(c)
		}
		if key := c.Request().Header.Get("x-apikey"); key != "" && o.Administrator.Exists() {
			bad := o.Administrator.Check(c.RealIP(), key)
			switch {
			case bad == nil:
				return serve(c)
			case bad.Code == auth.TooManyTries:
				return bad
			}
			o.Trail.Refused(audit.Entry{Action: audit.CredentialRefuse, From: c.RealIP(), Door: traffic.DoorMetrics, Outcome: bad.Code})
		}
		return httperr.New(http.StatusForbidden, httperr.Forbidden,
			"metrics without a key are for this machine only: connect directly, with a loopback Host; from elsewhere send ADMIN_KEY in the header x-apikey, or set METRICS_ADDR")
	}
}

// MetricsServer is the handler of METRICS_ADDR: metrics, and pprof, which is nowhere else. If only loopback protects them, it
// refuses a Host that is not loopback: a page that DNS rebinding has pointed here cannot send a loopback Host.
func MetricsServer(g prometheus.Gatherer, onLoopback bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	if !onLoopback {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !peer.LoopbackHost(r) {
			http.Error(w, "METRICS_ADDR is on loopback, so the Host must be too, as in http://127.0.0.1:9090/metrics", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
