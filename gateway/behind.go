package gateway

import (
	"context"
	"log/slog"
	"time"

	"sluice/store/panics"
)

// behindEvery is the time between two looks whether the gateway is behind.
const behindEvery = 250 * time.Millisecond

// steady is how often in a row the gateway has to be found well before clients may come again. While a cluster heals, it
// may be well for a moment only.
const steady = 8

// behind sends the clients away while the gateway is behind the others of its cluster.
type behind struct {
	health func() error      // why the gateway is behind, or nil
	leave  func(cause error) // sends the clients away
	back   func()            // lets them come again
	log    *slog.Logger

	away bool
	well int // looks in a row since it is away
}

// watch looks again and again, until ctx ends.
func (b *behind) watch(ctx context.Context) {
	tick := time.NewTicker(behindEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.look()
		}
	}
}

// look is one look.
func (b *behind) look() {
	defer panics.Contain(b.log, "looking whether the gateway is behind")
	err := b.health()
	switch {
	case err != nil && !b.away:
		b.away, b.well = true, 0
		b.leave(err)
	case err != nil:
		b.well = 0
	case b.away:
		if b.well++; b.well == steady {
			b.away = false
			b.back()
		}
	}
}

// watchBehind sends the clients away while the gateway is behind, until ctx ends.
func (g *Gateway) watchBehind(ctx context.Context) {
	b := behind{health: g.journal.Health, leave: g.sendAway, back: g.takeBack, log: g.o.Logger}
	b.watch(ctx)
}

func (g *Gateway) sendAway(cause error) {
	g.o.Logger.Warn("this gateway is behind the others: it sends its clients away", "cause", cause, "connections", g.Broker.Count())
	g.away.Store(true)
	g.Broker.Suspend()
}

func (g *Gateway) takeBack() {
	g.o.Logger.Info("this gateway has caught up with the others")
	g.Broker.Resume()
	g.away.Store(false)
}
