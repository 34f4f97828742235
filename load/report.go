package load

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Report is the result of a run. CPU times are those of the server, in µs, and memory is that of the server, in bytes. They
// are 0 without Options.PIDs.
type Report struct {
	Target      string  `json:"target"`
	Subscribers int     `json:"subscribers"`
	HTTP2       int     `json:"http2"` // streams a connection; 0: HTTP/1.1
	Channels    int     `json:"channels"`
	Publishers  int     `json:"publishers"`
	Batch       int     `json:"batch"`
	Size        int     `json:"size"`
	Rate        float64 `json:"rate"`

	Connect  Connect  `json:"connect"`
	Publish  Publish  `json:"publish"`
	Delivery Delivery `json:"delivery"`
	Check    Check    `json:"check"`

	GeneratorCPU float64 `json:"generator_cpu"` // processors that the generator itself used while publishing
}

// Connect is about the time until all subscribers were connected. With Options.Resume, it includes all missed events.
type Connect struct {
	Seconds float64 `json:"seconds"`
	CPUEach float64 `json:"cpu_us_each"`
	RSS     int64   `json:"rss"`      // after Options.Hold
	RSSEach float64 `json:"rss_each"` // for each subscriber: the difference to the memory before
}

// Publish is about the time until all publishes were answered.
type Publish struct {
	Events    int     `json:"events"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	CPUEach   float64 `json:"cpu_us_each"` // the server's whole CPU time until everything was delivered, divided by events
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
}

// Delivery is about the time until everything was delivered.
type Delivery struct {
	Count     uint64  `json:"count"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	CPUEach   float64 `json:"cpu_us_each"` // the server's whole CPU time, including publishing, divided by deliveries
	RSS       int64   `json:"rss"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Max       float64 `json:"max_ms"`
}

// usage is what processes use.
type usage struct {
	cpu time.Duration // so far, of all threads, user and system
	rss int64         // bytes in memory now
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func (r *Report) connected(before, after, idle usage) {
	if r.Subscribers == 0 {
		return
	}
	n := float64(r.Subscribers)
	r.Connect.CPUEach = microseconds(after.cpu-before.cpu) / n
	r.Connect.RSS, r.Connect.RSSEach = idle.rss, float64(idle.rss-before.rss)/n
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
	d.P50, d.P99, d.Max = milliseconds(l.At(.5)), milliseconds(l.At(.99)), milliseconds(l.max)
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
		row("  on their way", "p50 %.2f ms, p99 %.2f ms, longest %.2f ms", d.P50, d.P99, d.Max)
		row("  server", "%.2f µs CPU a delivery, publishing included; RSS %.1f MiB", d.CPUEach, float64(d.RSS)/(1<<20))
	}
	row("checked", "%s", &r.Check)
	if r.GeneratorCPU > .9 {
		row("note", "the generator used %.0f %% of a processor, so it may have slowed down what was measured", 100*r.GeneratorCPU)
	}
	return t.Flush()
}
