package realtime_test

import (
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

// Pings come while the past still comes: a client that judges by their dates would take a long replay for silence. The
// position of such a ping lies between the events around it, so that a client that resumes from there misses nothing.
func TestPingsDuringThePast(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) { s.PingInterval, s.RingBytes = time.Millisecond, 100_000 })
		var ids []string
		for range 10 { // what lies between moves the position, though it is not for the client
			ids = append(ids, g.Flood(t, "big", 4<<20)...)
			g.Flood(t, "other", 4<<20)
		}
		s := g.Open(t, gatewaytest.KeyAll, "?from=earliest&channels=big")
		events, pings := 0, 0
		for live := false; !live; {
			if len(s.Queue) == 0 {
				buf := make([]byte, 64<<10)
				n, err := s.Answer.Body.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				if s.Queue, err = s.Parser.Feed(buf[:n]); err != nil {
					t.Fatal(err)
				}
				continue
			}
			e := s.Queue[0]
			s.Queue = s.Queue[1:]
			switch e.Name {
			case "big":
				if events == len(ids) || e.ID != ids[events] {
					t.Fatalf("event %d is %s", events, e.ID)
				}
				events++
			case "ping":
				if events == 0 || events == len(ids) {
					continue // before the past, or behind it
				}
				pings++
				if at := number(t, e.ID); at < number(t, ids[events-1]) || at >= number(t, ids[events]) {
					t.Errorf("behind event %s and before %s is a ping with the id %s", ids[events-1], ids[events], e.ID)
				}
			case "live":
				live = true
			}
		}
		if pings < 3 || events != len(ids) {
			t.Errorf("%d pings among %d events of %d", pings, events, len(ids))
		}
	})
}
