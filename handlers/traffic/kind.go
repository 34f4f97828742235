package traffic

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/handlers/httperr"
)

// Kind is what a connection is for. One of each kind takes a different amount of memory: see docs/sizing.md.
type Kind uint8

// Kinds of connections.
const (
	KindStream         Kind = iota // of events to come
	KindHistory                    // of a range of the log; it may go on at the head
	KindFeed                       // of a database
	KindRoomStream                 // of a room, to an EventSource
	KindRoomSocket                 // of a room
	KindDirectusSocket             // with the messages of Directus
	kinds
)

var kindNames = [kinds]string{"stream", "history", "feed", "room_stream", "room_socket", "directus_socket"}

// transport is what the gateway sends a connection's bytes over. TLS that ends at a proxy does not count.
type transport uint8

const (
	clearText transport = iota
	overTLS             // with HTTP/1.1
	overHTTP2           // with TLS; several streams may share a connection
	transports
)

var transportNames = [transports]string{"clear", "tls", "http2"}

func transportOf(r *http.Request) transport {
	switch {
	case r.ProtoMajor >= 2:
		return overHTTP2
	case r.TLS != nil:
		return overTLS
	}
	return clearText
}

// census counts the connections that are open, by kind and transport.
type census struct {
	gauge *prometheus.GaugeVec
	open  [kinds][transports]prometheus.Gauge // of gauge
}

func newCensus() *census {
	c := &census{gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sluice_connections_by_kind",
		Help: "Streams and sockets that are open now, by what they are for and what the gateway sends them over."}, []string{"kind", "over"})}
	for k := range kinds {
		for t := range transports {
			c.open[k][t] = c.gauge.WithLabelValues(kindNames[k], transportNames[t])
		}
	}
	return c
}

// ByKind is how many connections are open, by kind and transport, without those that have none.
type ByKind map[string]map[string]int

func (c *census) byKind() ByKind {
	all := ByKind{}
	for k := range kinds {
		for t := range transports {
			n := int(read(c.open[k][t]))
			if n > 0 && all[kindNames[k]] == nil {
				all[kindNames[k]] = map[string]int{}
			}
			if n > 0 {
				all[kindNames[k]][transportNames[t]] = n
			}
		}
	}
	return all
}

// Add adds the counts of another gateway.
func (b ByKind) Add(other ByKind) {
	for kind, counts := range other {
		if b[kind] == nil {
			b[kind] = map[string]int{}
		}
		for over, n := range counts {
			b[kind][over] += n
		}
	}
}

// String lists them in the order of the constants.
func (b ByKind) String() string {
	var list []string
	for _, kind := range kindNames {
		for _, over := range transportNames {
			if n := b[kind][over]; n > 0 {
				list = append(list, fmt.Sprintf("%s over %s: %d", kind, over, n))
			}
		}
	}
	return strings.Join(list, ", ")
}

// fullness warns the operator when MAX_CONNECTIONS refuses connections, once a minute at most.
type fullness struct{ warned atomic.Int64 } // Unix seconds

// refused notes why a connection was refused.
func (f *fullness) refused(over *httperr.Error, open *census, logger *slog.Logger) {
	if over.Code != httperr.TooManyConnections || over == errNoDescriptor { // Descriptors warns of those
		return
	}
	now := time.Now().Unix()
	if last := f.warned.Load(); now-last < int64(warnEvery/time.Second) || !f.warned.CompareAndSwap(last, now) {
		return
	}
	logger.Warn("MAX_CONNECTIONS is reached, or half of it by one address: new connections are refused; raise it if there is memory for more",
		"cause", over.Message, "open", open.byKind().String())
}
