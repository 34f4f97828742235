package gateway

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

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
