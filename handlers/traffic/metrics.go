package traffic

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"sluice/broker"
	"sluice/handlers/writers"
	"sluice/store/share"
)

// Metrics are the metrics of all doors together. Clients control no label: codes and reasons are the gateway's own.
type Metrics struct {
	connections prometheus.Gauge
	census      *census
	ends        *prometheus.CounterVec
	busy        prometheus.Counter
	bytes       prometheus.Counter
	publishes   *prometheus.CounterVec
	published   prometheus.Counter // of publishes, the one that most count in
	events      prometheus.Counter
	latency     prometheus.Histogram
	delivery    prometheus.Histogram
	refused     *prometheus.CounterVec
}

// NewMetrics registers them, and the broker's.
func NewMetrics(reg prometheus.Registerer, b *broker.Broker, memory *share.Memory) *Metrics {
	m := &Metrics{
		connections: prometheus.NewGauge(prometheus.GaugeOpts{Name: "sluice_connections", Help: "Streams that are open now."}),
		census:      newCensus(),
		ends:        prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_streams_ended_total", Help: "Streams that ended, by reason; slow are those that took no byte for WRITE_TIMEOUT."}, []string{"reason"}),
		busy:        prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_busy_total", Help: "Connections answered with a busy frame."}),
		bytes:       prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_stream_bytes_total", Help: "Bytes of frames written to streams."}),
		publishes:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_publishes_total", Help: "Publish requests, by outcome: ok or the code of the error."}, []string{"outcome"}),
		events:      prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_events_published_total", Help: "Events stored."}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "sluice_publish_seconds", Help: "Time from a publish's head to its answer, stored events only.",
			Buckets: prometheus.ExponentialBuckets(0.000_1, 2.5, 14)}),
	}
	m.published = m.publishes.WithLabelValues(stored)
	m.delivery = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "sluice_delivery_seconds", Help: "Time from an event's commit to the end of its write to a stream, at the head; of each write the newest event counts.",
		Buckets: prometheus.ExponentialBuckets(0.000_1, 2.5, 14)})
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_refused_total", Help: "Requests and messages of sockets that were answered with an error, by door and code."}, []string{"door", "code"})
	reg.MustRegister(m.refused, m.connections, m.census.gauge, m.ends, m.busy, m.bytes, m.publishes, m.events, m.latency, m.delivery)
	counter := func(name, help string, load func() uint64) {
		reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(load()) }))
	}
	counter("sluice_deliveries_total", "Event frames handed to streams.", b.Stats.Deliveries.Load)
	counter("sluice_replayed_total", "Event frames among them that were read from the log.", b.Stats.Replayed.Load)
	counter("sluice_gaps_total", "Gap frames sent to clients.", b.Stats.Gaps.Load)
	counter("sluice_client_memory_refused_total", "Requests and messages refused because their credential, or all clients together, used as much memory as they may.", memory.Refused)
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sluice_client_memory_bytes", Help: "Bytes of memory used for clients, beyond what every connection takes."}, func() float64 { return float64(memory.Held()) }))
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sluice_views", Help: "Different filters that the open streams share."}, func() float64 { return float64(b.Views()) }))
	return m
}

// Counts are what the metrics count, as numbers.
type Counts struct {
	Connections, Events, Busy, Slow, Refused, Bytes float64
}

// Counts reads the metrics.
func (m *Metrics) Counts() Counts {
	c := Counts{Connections: read(m.connections), Events: read(m.events), Busy: read(m.busy), Slow: read(m.ends.WithLabelValues(string(writers.Slow))), Bytes: read(m.bytes)}
	outcomes := make(chan prometheus.Metric)
	go func() { // ended by the loop below, which takes all there is
		m.publishes.Collect(outcomes)
		close(outcomes)
	}()
	for one := range outcomes {
		var value dto.Metric
		if one.Write(&value) == nil && value.GetLabel()[0].GetValue() != "ok" {
			c.Refused += value.GetCounter().GetValue()
		}
	}
	return c
}

// read is a metric's value; those that we make can always be written.
func read(m prometheus.Metric) float64 {
	var value dto.Metric
	if m.Write(&value) != nil {
		return 0
	}
	return value.GetCounter().GetValue() + value.GetGauge().GetValue()
}

// ByKind reads how many connections are open.
func (m *Metrics) ByKind() ByKind { return m.census.byKind() }

// opened counts a stream that begins.
func (m *Metrics) opened(k Kind, over transport) {
	m.connections.Inc()
	m.census.open[k][over].Inc()
}

// closed counts a stream that ends.
func (m *Metrics) closed(reason broker.End, k Kind, over transport) {
	m.census.open[k][over].Dec()
	m.connections.Dec()
	m.ends.WithLabelValues(string(reason)).Inc()
}

// Refused counts a request or message that was answered with an error. Both labels must be the gateway's own words.
func (m *Metrics) Refused(door, code string) { m.refused.WithLabelValues(door, code).Inc() }

// Busy counts a busy frame.
func (m *Metrics) Busy() { m.busy.Inc() }

// Wrote counts bytes of frames.
func (m *Metrics) Wrote(n int) { m.bytes.Add(float64(n)) }

// Delivered observes the time from an event's commit to its write.
func (m *Metrics) Delivered(took time.Duration) { m.delivery.Observe(took.Seconds()) }

// stored is the outcome of a publish that was not refused.
const stored = "ok"

// Published counts a publish and its events.
func (m *Metrics) Published(outcome string, events int, took time.Duration) {
	if outcome == stored {
		m.published.Inc()
	} else {
		m.publishes.WithLabelValues(outcome).Inc()
	}
	if events > 0 {
		m.events.Add(float64(events))
		m.latency.Observe(took.Seconds())
	}
}
