package cli

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// figures are those of GET /admin/stats that top shows; docs/admin.md explains them.
type figures struct {
	Time        time.Time `json:"time"`
	Version     string    `json:"version"`
	Started     time.Time `json:"started"`
	Connections int       `json:"connections"`
	Views       int       `json:"views"`
	counters
	Goroutines uint64 `json:"goroutines"`
	Draining   bool   `json:"draining"`
	Memory     struct {
		RSS  uint64 `json:"rss"`
		Heap uint64 `json:"heap"`
	} `json:"memory"`
	Log struct {
		Bytes         int64  `json:"bytes"`
		Events        int64  `json:"events"`
		OldestSeconds int64  `json:"oldest_seconds"`
		RetainBytes   int64  `json:"retain_bytes"`
		RetainSeconds int64  `json:"retain_seconds"`
		Damaged       uint64 `json:"damaged"`
		Error         string `json:"error"`
	} `json:"log"`
	Node    string `json:"node,omitempty"`
	Cluster *struct {
		Nodes       int      `json:"nodes"`
		Missing     []string `json:"missing"`
		Connections int      `json:"connections"`
		counters
	} `json:"cluster,omitempty"`
}

// counters count since the gateway's start, but those of lag.
type counters struct {
	Events     float64                   `json:"events"`
	Deliveries float64                   `json:"deliveries"`
	Bytes      float64                   `json:"bytes"`
	Gaps       float64                   `json:"gaps"`
	Busy       float64                   `json:"busy"`
	Slow       float64                   `json:"slow"`
	Refused    float64                   `json:"refused"`
	Lagging    int                       `json:"lagging"`
	LagMS      int64                     `json:"lag_ms"`
	ByKind     map[string]map[string]int `json:"connections_by_kind"`
}

// whole makes the sums of a cluster the figures, if the gateway has given them.
func (f *figures) whole() {
	if f.Cluster != nil {
		f.counters, f.Connections = f.Cluster.counters, f.Cluster.Connections
	}
}

// sample is what top shows at one moment, as --json prints it: the figures, and the rates since the sample before.
type sample struct {
	Gateway string `json:"gateway"`
	figures
	EventsRate     float64     `json:"events_per_second"`
	DeliveriesRate float64     `json:"deliveries_per_second"`
	BytesRate      float64     `json:"bytes_per_second"`
	Slowest        []topClient `json:"slowest"`
}

// sampleOf compares figures with those before. There is no sample after a restart, or if gateways of a cluster have come or
// gone: the counters are of others then.
func sampleOf(gateway string, before, now figures) (s sample, ok bool) {
	seconds := now.Time.Sub(before.Time).Seconds()
	if seconds <= 0 || !now.Started.Equal(before.Started) || nodes(before) != nodes(now) || now.Events < before.Events {
		return s, false
	}
	rate := func(before, now float64) float64 { return max(0, now-before) / seconds }
	return sample{
		Gateway: gateway, figures: now,
		EventsRate: rate(before.Events, now.Events), DeliveriesRate: rate(before.Deliveries, now.Deliveries), BytesRate: rate(before.Bytes, now.Bytes),
		Slowest: []topClient{},
	}, true
}

func nodes(f figures) int {
	if f.Cluster == nil {
		return 0
	}
	return f.Cluster.Nodes
}

// topClient is a connection of GET /admin/connections.
type topClient struct {
	ID       string    `json:"id"`
	Who      string    `json:"who"`
	Kind     string    `json:"kind"`
	From     string    `json:"from"`
	Since    time.Time `json:"since"`
	Channels string    `json:"channels"`
	LagMS    int64     `json:"lag_ms"`
	Node     string    `json:"node,omitempty"`
}

// sortNames are what clients can be sorted by; the first is the default.
var sortNames = []string{"lag", "age", "who", "from", "kind"}

// sortClients sorts the most interesting ones to the top. Equal ones keep one order, so that lines do not jump.
func sortClients(list []topClient, by string) {
	slices.SortStableFunc(list, func(a, b topClient) int {
		order := 0
		switch by {
		case "lag":
			order = cmp.Compare(b.LagMS, a.LagMS)
		case "age":
			order = a.Since.Compare(b.Since)
		case "who":
			order = strings.Compare(a.Who, b.Who)
		case "from":
			order = strings.Compare(a.From, b.From)
		case "kind":
			order = strings.Compare(a.Kind, b.Kind)
		}
		return cmp.Or(order, a.Since.Compare(b.Since), strings.Compare(a.ID, b.ID))
	})
}
