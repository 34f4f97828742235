package load

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Report is what a run found. CPU is the server's, in µs; memory the server's, in bytes. Without the server's
// process they are 0.
type Report struct {
	Target      string  `json:"target"`
	Subscribers int     `json:"subscribers"`
	Channels    int     `json:"channels"`
	Publishers  int     `json:"publishers"`
	Batch       int     `json:"batch"`
	Size        int     `json:"size"`
	Rate        float64 `json:"rate"`

	Connect  Connect  `json:"connect"`
	Publish  Publish  `json:"publish"`
	Delivery Delivery `json:"delivery"`
	Check    Check    `json:"check"`

	GeneratorCPU float64 `json:"generator_cpu"` // processors that the generator itself kept busy while publishing
}

// Connect is the time until all subscribers had their answer, and all they had missed where they resumed.
type Connect struct {
	Seconds float64 `json:"seconds"`
	CPUEach float64 `json:"cpu_us_each"`
	RSS     int64   `json:"rss"`      // once they were held
	RSSEach float64 `json:"rss_each"` // more than before they came
}

// Publish is the time until all publishes were answered.
type Publish struct {
	Events    int     `json:"events"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	CPUEach   float64 `json:"cpu_us_each"` // all the server's CPU until everything was delivered, by events
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
}

// Delivery is the time until all was delivered.
type Delivery struct {
	Count     uint64  `json:"count"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	CPUEach   float64 `json:"cpu_us_each"` // all the server's CPU, publishing included, by deliveries
	RSS       int64   `json:"rss"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Most      float64 `json:"max_ms"`
}

// usage is what processes have taken so far.
type usage struct {
	cpu time.Duration // of all threads, user and system
	rss int64         // bytes in memory now
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func (r *Report) connected(before, after, held usage) {
	if r.Subscribers == 0 {
		return
	}
	n := float64(r.Subscribers)
	r.Connect.CPUEach = microseconds(after.cpu-before.cpu) / n
	r.Connect.RSS, r.Connect.RSSEach = held.rss, float64(held.rss-before.rss)/n
}

func (r *Report) published(run *run, before, after usage, published, delivered time.Duration, deliveries uint64) {
	events := run.o.Events
	p, l := &r.Publish, &run.publishers.latency
	p.Events, p.Seconds, p.PerSecond = events, published.Seconds(), float64(events)/published.Seconds()
	p.CPUEach = microseconds(after.cpu-before.cpu) / float64(events)
	p.P50, p.P99 = milliseconds(l.At(.5)), milliseconds(l.At(.99))
	d := &r.Delivery
	d.Count, d.Seconds, d.PerSecond, d.RSS = deliveries, delivered.Seconds(), float64(deliveries)/delivered.Seconds(), after.rss
	if deliveries > 0 {
		d.CPUEach = microseconds(after.cpu-before.cpu) / float64(deliveries)
	}
}

func (d *Delivery) latency(l *Latency) {
	d.P50, d.P99, d.Most = milliseconds(l.At(.5)), milliseconds(l.At(.99)), milliseconds(l.most)
}

// Table writes the report for people.
func (r *Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	if r.Subscribers > 0 {
		row("subscribers", "%d, connected in %.2f s", r.Subscribers, r.Connect.Seconds)
		row("  server", "%.0f µs CPU and %.0f bytes of RSS each; RSS %.1f MiB", r.Connect.CPUEach, r.Connect.RSSEach, float64(r.Connect.RSS)/(1<<20))
	}
	if p := &r.Publish; p.Events > 0 {
		row("published", "%d events of %d bytes in %.2f s: %.0f/s", p.Events, r.Size, p.Seconds, p.PerSecond)
		row("  answers", "p50 %.2f ms, p99 %.2f ms", p.P50, p.P99)
		row("  server", "%.1f µs CPU an event, deliveries included", p.CPUEach)
	}
	if d := &r.Delivery; d.Count > 0 {
		row("delivered", "%d in %.2f s: %.0f/s", d.Count, d.Seconds, d.PerSecond)
		row("  on their way", "p50 %.2f ms, p99 %.2f ms, longest %.2f ms", d.P50, d.P99, d.Most)
		row("  server", "%.2f µs CPU a delivery, publishing included; RSS %.1f MiB", d.CPUEach, float64(d.RSS)/(1<<20))
	}
	row("checked", "%s", &r.Check)
	if r.GeneratorCPU > .9 {
		row("note", "the generator kept %.0f %% of a processor busy: it may be what was measured", 100*r.GeneratorCPU)
	}
	return t.Flush()
}
