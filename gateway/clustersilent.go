package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"sluice/cluster/bus"
)

// gatewaysSubject is where gateways answer which others they know. It is among the subjects that their account may use.
const gatewaysSubject = "peers.list"

// KnownGateway is a gateway that others know, as of its last beat.
type KnownGateway struct {
	Node    string        `json:"node"`
	Version string        `json:"version"`
	Place   uint64        `json:"place"`
	Seen    time.Duration `json:"seen"` // since the last beat
}

// serveGateways tells `sluice cluster status` of gateways that send no beats any more. A command has not heard them before.
func (g *Gateway) serveGateways() error {
	err := g.bus.Serve(gatewaysSubject, func(_ []byte, answer func([]byte)) {
		var known []KnownGateway
		for _, p := range g.peers.List() {
			known = append(known, KnownGateway{p.Node, p.Version, p.Place, p.Seen})
		}
		if body, err := json.Marshal(known); err == nil {
			answer(body)
		}
	})
	if err != nil {
		return fmt.Errorf("listening to questions about gateways: %w", err)
	}
	return nil
}

// AskGateways asks for the gateways that are known, until so many have answered as are there or ctx ends. Of each, it returns
// the newest that one of them knows.
func AskGateways(ctx context.Context, b *bus.Bus, there int) (map[string]KnownGateway, error) {
	all := map[string]KnownGateway{}
	if there == 0 {
		return all, nil
	}
	err := b.Ask(ctx, gatewaysSubject, nil, func(body []byte) bool {
		var known []KnownGateway
		if json.Unmarshal(body, &known) != nil {
			return true // of a version that says something else
		}
		for _, k := range known {
			if before, ok := all[k.Node]; !ok || k.Seen < before.Seen {
				all[k.Node] = k
			}
		}
		there--
		return there > 0
	})
	return all, err
}
