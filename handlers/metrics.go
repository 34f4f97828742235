package handlers

import (
	"net"
	"net/http"
	"net/http/pprof"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sluice/handlers/httperr"
)

// metrics on the main address are for loopback peers, and for whoever has the admin key. The peer
// is the connection's: a forwarded address is only a claim.
func metrics(o Options) echo.HandlerFunc {
	serve := echo.WrapHandler(promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{}))
	return func(c echo.Context) error {
		if fromLoopback(c.Request()) {
			return serve(c)
		}
		if key := c.Request().Header.Get("x-apikey"); key != "" && o.Administrator.Exists() {
			if bad := o.Administrator.Check(c.RealIP(), key); bad != nil {
				return httperr.OfAuth(bad)
			}
			return serve(c)
		}
		return httperr.New(http.StatusForbidden, httperr.Forbidden, "metrics are for loopback peers, and on METRICS_ADDR")
	}
}

// fromLoopback also asks that no proxy stands in between: behind one on the same machine every
// peer would be loopback.
func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" || r.Header.Get("X-Real-Ip") != "" {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// MetricsServer is the handler of METRICS_ADDR: metrics for all, and pprof only there.
func MetricsServer(g prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
