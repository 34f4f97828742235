package gateway

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"sluice/auth/backend"
	"sluice/store/eventlog"
)

func (g *Gateway) registerMetrics() {
	g.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if g.clustered() {
		g.registerClusterMetrics()
	}
	g.counter("sluice_log_damaged_total", "Damaged parts of the log's files, found at the start or when read. What they had is lost.", g.Log.Damaged)
	g.gauge("sluice_log_bytes", "Bytes of records that /realtime retains.", func(s eventlog.State) float64 { return float64(s.Bytes) })
	g.gauge("sluice_log_events", "Records that /realtime retains.", func(s eventlog.State) float64 { return float64(s.Count) })
	g.gauge("sluice_log_oldest_id", "The oldest retained id: the time of its commit in microseconds.", func(s eventlog.State) float64 { return float64(s.Oldest) })
}

func (g *Gateway) counter(name, help string, count func() uint64) {
	g.Registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(count()) }))
}

// registerBackendMetrics registers the figures of the questions to AUTH_URL, if it is set.
func (g *Gateway) registerBackendMetrics() {
	if !g.Auth.Decides() {
		return
	}
	for outcome, count := range map[string]func(backend.Stats) uint64{
		"granted": func(s backend.Stats) uint64 { return s.Granted },
		"refused": func(s backend.Stats) uint64 { return s.Refused },
		"failed":  func(s backend.Stats) uint64 { return s.Failed },
	} {
		g.Registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sluice_auth_questions_total", Help: "Questions to AUTH_URL, by outcome; failed are those without an answer.", ConstLabels: prometheus.Labels{"outcome": outcome},
		}, func() float64 { return float64(count(g.Auth.BackendStats())) }))
	}
	for name, one := range map[string]struct {
		help  string
		count func(backend.Stats) int
	}{
		"sluice_auth_remembered": {"Answers of AUTH_URL that are remembered, refusals too.", func(s backend.Stats) int { return s.Remembered }},
		"sluice_auth_asking":     {"Questions that AUTH_URL is answering now.", func(s backend.Stats) int { return s.Asking }},
		"sluice_auth_waiting":    {"Questions that wait for their turn (AUTH_CONCURRENCY).", func(s backend.Stats) int { return s.Waiting }},
	} {
		g.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: one.help}, func() float64 { return float64(one.count(g.Auth.BackendStats())) }))
	}
}

// gauge registers a number about what /realtime retains.
func (g *Gateway) gauge(name, help string, of func(eventlog.State) float64) {
	g.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
		state, err := g.Log.State("")
		if err != nil {
			return 0
		}
		return of(state)
	}))
}
