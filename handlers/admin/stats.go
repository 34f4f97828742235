package admin

import (
	"encoding/json"
	"net/http"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/store/eventlog"
)

// stats are the figures of this moment; counters count from the start.
type stats struct {
	Time        string `json:"time"`
	Version     string `json:"version"`
	Started     string `json:"started"`
	Connections int    `json:"connections"`
	Views       int    `json:"views"`
	summed
	Goroutines uint64 `json:"goroutines"`
	Draining   bool   `json:"draining"`
	Memory     memory `json:"memory"`
	Log        logged `json:"log"`
	Node       string `json:"node,omitempty"` // in a cluster
	Cluster    *sums  `json:"cluster,omitempty"`
}

// summed are the figures that are added up for a cluster, besides the connections.
type summed struct {
	Events     float64        `json:"events"`
	Deliveries uint64         `json:"deliveries"`
	Replayed   uint64         `json:"replayed"`
	Gaps       uint64         `json:"gaps"`
	Busy       float64        `json:"busy"`
	Slow       float64        `json:"slow"`
	Refused    float64        `json:"refused"`
	Bytes      float64        `json:"bytes"`
	Lagging    int            `json:"lagging"`
	LagMS      int64          `json:"lag_ms"` // of the slowest
	ByKind     traffic.ByKind `json:"connections_by_kind"`
}

func (t *summed) add(s summed) {
	t.Events += s.Events
	t.Deliveries += s.Deliveries
	t.Replayed += s.Replayed
	t.Gaps += s.Gaps
	t.Busy += s.Busy
	t.Slow += s.Slow
	t.Refused += s.Refused
	t.Bytes += s.Bytes
	t.Lagging += s.Lagging
	t.LagMS = max(t.LagMS, s.LagMS)
	t.ByKind.Add(s.ByKind)
}

type memory struct {
	RSS  uint64 `json:"rss"`
	Heap uint64 `json:"heap"`
}

type logged struct {
	Bytes         int64  `json:"bytes"`
	Events        int64  `json:"events"`
	Oldest        string `json:"oldest"`
	OldestSeconds int64  `json:"oldest_seconds"` // its age
	Newest        string `json:"newest"`
	RetainBytes   int64  `json:"retain_bytes"`
	RetainSeconds int64  `json:"retain_seconds"`
	Damaged       uint64 `json:"damaged"`
	Error         string `json:"error"`
}

func stamp() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }

func (h *Handler) figures() *stats {
	b, counts := h.o.Broker, h.o.Traffic.Counts()
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(samples)
	s := &stats{
		Time: stamp(), Version: h.o.Version, Node: h.node(), Started: h.started, Connections: b.Count(), Views: b.Views(),
		summed: summed{
			Events: counts.Events, Deliveries: b.Stats.Deliveries.Load(), Replayed: b.Stats.Replayed.Load(), Gaps: b.Stats.Gaps.Load(),
			Busy: counts.Busy, Slow: counts.Slow, Refused: counts.Refused, Bytes: counts.Bytes, ByKind: h.o.Traffic.ByKind(),
		},
		Draining: h.o.Traffic.Draining(),
		Memory:   memory{h.o.RSS(), samples[0].Value.Uint64()}, Goroutines: samples[1].Value.Uint64(),
		Log: logged{RetainBytes: h.o.Retain.Bytes, RetainSeconds: h.o.Retain.Age / 1e6, Newest: strconv.FormatUint(b.Log().Settled(), 10)},
	}
	b.Each(func(one broker.Held) bool {
		if lag := one.Behind.Milliseconds(); lag > lagging {
			s.Lagging++
			s.LagMS = max(s.LagMS, lag)
		}
		return true
	})
	state, err := b.Log().State("")
	if err == nil {
		err = b.Log().Err()
	}
	if err != nil {
		s.Log.Error = eventlog.Explain(err)
	}
	s.Log.Damaged = b.Log().Damaged()
	s.Log.Bytes, s.Log.Events = state.Bytes, state.Count
	if state.Oldest != 0 {
		s.Log.Oldest = strconv.FormatUint(state.Oldest, 10)
		s.Log.OldestSeconds = int64(b.Log().Clock().Age(state.Oldest).Seconds())
	}
	return s
}

// lagging is how many milliseconds behind a connection counts as slow. One that is less behind is just being written to.
const lagging = 1000

// statsEvery is how often a stream sends the figures.
const statsEvery = time.Second

// stats answers with the figures, once or as a stream. The stream of a gateway that no longer answers ends: the client asks
// again, and gets the reason.
func (h *Handler) stats(c echo.Context) error {
	node, err := h.nodeOf(c)
	if err != nil {
		return err
	}
	now, err := h.figuresOf(c.Request().Context(), node)
	if err != nil {
		return err
	}
	if !strings.Contains(c.Request().Header.Get(echo.HeaderAccept), writers.EventStream) {
		return c.JSON(http.StatusOK, now)
	}
	writers.SetHeaders(c, writers.EventStream, false)
	if c.Request().Method == http.MethodHead {
		return c.NoContent(http.StatusOK)
	}
	rc := http.NewResponseController(c.Response().Writer)
	tick := time.NewTicker(statsEvery)
	defer tick.Stop()
	for {
		text, err := json.Marshal(now)
		if err != nil {
			return httperr.New(http.StatusInternalServerError, httperr.Internal, "the figures cannot be encoded").Because(err)
		}
		// A client that does not take a few hundred bytes in this time is gone.
		if err := rc.SetWriteDeadline(time.Now().Add(10 * statsEvery)); err != nil {
			return nil
		}
		if _, err := c.Response().Write(append(append([]byte("event: stats\ndata: "), text...), "\n\n"...)); err != nil {
			return nil
		}
		if err := rc.Flush(); err != nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-h.quit:
			return nil
		case <-c.Request().Context().Done():
			return nil
		}
		if h.o.Traffic.Draining() {
			return nil
		}
		if now, err = h.figuresOf(c.Request().Context(), node); err != nil {
			return nil
		}
	}
}
