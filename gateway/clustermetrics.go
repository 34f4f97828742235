package gateway

import "github.com/prometheus/client_golang/prometheus"

// registerClusterMetrics registers what a gateway of a cluster counts.
func (g *Gateway) registerClusterMetrics() {
	m := g.journal.Metrics()
	g.counter("sluice_cluster_messages_total", "Messages of the journal that were read.", m.Entries.Load)
	g.counter("sluice_cluster_requests_total", "Requests in them.", m.Requests.Load)
	g.counter("sluice_cluster_refused_total", "Messages that were left out, as no gateway of the cluster can have sent them.", m.Refused.Load)
	g.counter("sluice_cluster_retries_total", "Tries to write to the journal that got no answer.", m.Retries.Load)
	g.counter("sluice_cluster_differs_total", "Messages of gateways whose state differs from this one's.", m.Differs.Load)
	for name, of := range map[string]struct {
		help  string
		value func() float64
	}{
		"sluice_cluster_place":         {"The last message of the journal that is applied here.", func() float64 { return float64(g.Log.Place()) }},
		"sluice_cluster_end":           {"The last message of the journal, as far as is known here.", func() float64 { return float64(m.End.Load()) }},
		"sluice_cluster_waiting_bytes": {"Bytes of requests that wait to be written to the journal.", func() float64 { return float64(g.Log.Waiting()) }},
		"sluice_cluster_level":         {"The level of the formats that this gateway writes.", g.levelWritten},
		"sluice_cluster_behind":        {"1 while this gateway is behind the others and sends its clients away.", g.behind},
	} {
		g.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: of.help}, of.value))
	}
}

func (g *Gateway) levelWritten() float64 {
	writes, _ := g.levels.show()
	return float64(writes)
}

func (g *Gateway) behind() float64 {
	if g.journal.Health() != nil {
		return 1
	}
	return 0
}
