package admin

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/broker"
	"sluice/store/panics"
)

// The gateway keeps an hour of its figures, so that charts are full when somebody opens the dashboard: one sample a second of
// the last five minutes, and one every ten seconds of the hour. 660 samples take 41 KiB. Without an administrator there are none.
const (
	fineEvery  = statsEvery
	fineKept   = 300
	rough      = 10 // fine samples in a rough one
	roughKept  = 360
	manyToScan = 5000 // connections. The lag of more is looked at only once in a rough sample: to look locks the broker
)

// askHistory asks a gateway for its samples.
const askHistory = "history"

// sample is the figures of a moment. Those of what happens are of the time since the sample before.
type sample struct {
	Age         float64 `json:"age"` // seconds, when it is sent; in memory the time since the start
	Seconds     float64 `json:"seconds"`
	Connections int     `json:"connections"`
	Events      float64 `json:"events"`
	Deliveries  uint64  `json:"deliveries"`
	LagMS       int64   `json:"lag_ms"`
	LogBytes    int64   `json:"log_bytes"`
	RSS         uint64  `json:"rss"`
}

// join makes one sample of two that follow each other.
func (s *sample) join(next sample) {
	if s.Seconds == 0 {
		*s = next
		return
	}
	next.Seconds += s.Seconds
	next.Events += s.Events
	next.Deliveries += s.Deliveries
	next.LagMS = max(next.LagMS, s.LagMS)
	next.Connections = max(next.Connections, s.Connections)
	*s = next
}

// ringOf is a bounded list of samples. The oldest goes first.
type ringOf struct {
	all  []sample
	most int
	next int
}

func (r *ringOf) add(s sample) {
	if len(r.all) < r.most {
		r.all = append(r.all, s)
		return
	}
	r.all[r.next] = s
	r.next = (r.next + 1) % r.most
}

// each calls f for the samples, oldest first.
func (r *ringOf) each(f func(sample)) {
	for i := range r.all {
		f(r.all[(r.next+i)%len(r.all)])
	}
}

// recent has the samples of the last hour.
type recent struct {
	began time.Time

	mu          sync.Mutex
	fine, rough ringOf
	open        sample // the rough sample that is being put together
	joined      int
}

func newRecent() *recent {
	return &recent{began: time.Now(), fine: ringOf{most: fineKept}, rough: ringOf{most: roughKept}}
}

func (r *recent) add(s sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fine.add(s)
	r.open.join(s)
	if r.joined++; r.joined == rough {
		r.rough.add(r.open)
		r.open, r.joined = sample{}, 0
	}
}

// list returns the samples by age, the oldest first: rough ones up to where the fine ones begin.
func (r *recent) list() []sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Since(r.began).Seconds()
	var fine, list []sample
	r.fine.each(func(s sample) {
		s.Age = math.Round((now-s.Age)*10) / 10
		fine = append(fine, s)
	})
	r.rough.each(func(s sample) {
		if s.Age = math.Round((now-s.Age)*10) / 10; len(fine) == 0 || s.Age > fine[0].Age {
			list = append(list, s)
		}
	})
	return append(list, fine...)
}

// keep takes samples until Close.
func (h *Handler) keep() {
	tick := time.NewTicker(fineEvery)
	defer tick.Stop()
	taken := taking{sample: h.count(), at: time.Now()}
	for {
		select {
		case <-h.quit:
			return
		case <-tick.C:
			h.take(&taken)
		}
	}
}

// taking is the sample before, as it was counted.
type taking struct {
	sample
	at time.Time
	n  int // samples so far
}

// take takes one sample.
func (h *Handler) take(before *taking) {
	defer panics.Contain(h.o.Logger, "taking a sample of the figures")
	now := taking{sample: h.count(), at: time.Now(), n: before.n + 1}
	if now.LagMS = before.LagMS; now.Connections <= manyToScan || now.n%rough == 0 {
		now.LagMS = h.slowest()
	}
	s := now.sample
	s.Events, s.Deliveries = max(0, now.Events-before.Events), now.Deliveries-before.Deliveries
	s.Age, s.Seconds = now.at.Sub(h.recent.began).Seconds(), math.Round(now.at.Sub(before.at).Seconds()*100)/100
	h.recent.add(s)
	*before = now
}

// count returns the figures of this moment that are at hand.
func (h *Handler) count() sample {
	s := sample{
		Connections: h.o.Broker.Count(), Events: h.o.Traffic.Counts().Events, Deliveries: h.o.Broker.Stats.Deliveries.Load(), RSS: h.o.RSS(),
	}
	if state, err := h.o.Broker.Log().State(""); err == nil {
		s.LogBytes = state.Bytes
	}
	return s
}

// slowest is how many milliseconds the slowest connection is behind, if it is behind at all.
func (h *Handler) slowest() (lag int64) {
	h.o.Broker.Each(func(one broker.Held) bool {
		if ms := one.Behind.Milliseconds(); ms > lagging {
			lag = max(lag, ms)
		}
		return true
	})
	return lag
}

// pastStats answers with the samples of the last hour: of one gateway, or of all together.
func (h *Handler) pastStats(c echo.Context) error {
	node, err := h.nodeOf(c)
	if err != nil {
		return err
	}
	answer := struct {
		Time    string   `json:"time"`
		Node    string   `json:"node,omitempty"`
		Missing []string `json:"missing,omitempty"`
		Samples []sample `json:"samples"`
	}{Time: stamp(), Node: node}
	ctx := c.Request().Context()
	switch {
	case h.o.Cluster == nil:
		answer.Samples = h.recent.list()
	case node != "":
		one, err := askOne[[]sample](ctx, h.o.Cluster.Peers, node, askHistory, nil)
		if err != nil {
			return err
		}
		answer.Samples = *one
	default:
		var all [][]sample
		all, answer.Missing = h.askSamples(ctx)
		answer.Samples = sumOfSamples(h.recent.list(), all)
	}
	if answer.Samples == nil {
		answer.Samples = []sample{}
	}
	return c.JSON(http.StatusOK, answer)
}

// askSamples asks the other gateways for theirs.
func (h *Handler) askSamples(ctx context.Context) (all [][]sample, missing []string) {
	missing = []string{}
	for _, a := range h.o.Cluster.Peers.Ask(ctx, askHistory, nil) {
		if a.Node == h.node() {
			continue
		}
		var one []sample
		if a.Err != nil || json.Unmarshal(a.Body, &one) != nil {
			missing = append(missing, a.Node)
			continue
		}
		all = append(all, one)
	}
	return all, missing
}

// sumOfSamples adds the samples of other gateways to own ones. Samples of about the same age belong together: clocks of
// gateways differ, ages do not. Log and memory are the own ones, as in the sums of the present figures.
func sumOfSamples(own []sample, others [][]sample) []sample {
	for _, list := range others {
		at := 0
		for i := range own {
			s := &own[i]
			for at < len(list)-1 && math.Abs(list[at+1].Age-s.Age) <= math.Abs(list[at].Age-s.Age) {
				at++
			}
			if at >= len(list) || math.Abs(list[at].Age-s.Age) > 0.75*max(s.Seconds, list[at].Seconds) || list[at].Seconds <= 0 {
				continue
			}
			o := &list[at]
			share := s.Seconds / o.Seconds
			s.Connections += o.Connections
			s.Events += o.Events * share
			s.Deliveries += uint64(float64(o.Deliveries) * share)
			s.LagMS = max(s.LagMS, o.LagMS)
		}
	}
	return own
}
